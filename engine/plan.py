"""What a run of a study would be, in words, before anything is started or made."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime

from engine.conditions import budget_for
from engine.convergence import needed
from engine.devices import cpu_model, nvidia_present
from engine.executor import Budget
from engine.score_words import metric_of
from engine.settings import Limits, Settings
from state.watch import Brief

_AROUND = {"wall": 40.0, "cpu": 15.0}  # seconds beside training, while none have been measured


def plan(settings: Settings, done: Sequence[Brief]) -> list[tuple[str, str]]:
    """Names and values, for people; `done` are the study's experiments so far."""
    wanted = settings.slots.devices.replace(" ", "")
    on_cpu = not nvidia_present() if wanted == "auto" else wanted.startswith("cpu")
    device = f"{wanted} ({cpu_model()})" if on_cpu else wanted
    if wanted == "auto":
        device = cpu_model() if on_cpu else "every NVIDIA GPU of this machine"
    budget = budget_for(settings, "cpu" if on_cpu else "cuda")
    return [
        *_what(settings),
        ("device", device),
        _budget(settings, budget),
        ("expected", _expected(settings, budget, done)),
        ("policy", settings.policy.name),
        ("until", _until(settings.limits)),
    ]


def _what(settings: Settings) -> list[tuple[str, str]]:
    """What is edited, and what its score is."""
    target, data, metric = settings.target, settings.data, metric_of(settings)
    if target.command is None:
        where = data.dir or data.hub or "the embedded text (SymPy's sources)"
        text = f"{where}, vocabulary {data.vocab_size:,}, rows of {data.seq_len} tokens"
        return [("target", target.path or "the shipped train.py"), ("data", text)]
    return [
        ("target", target.path or ""),
        ("command", target.command),
        ("metric", f"{metric.marked}, {metric.better} is better"),
    ]


def _budget(settings: Settings, budget: Budget) -> tuple[str, str]:
    """A command is stopped at a deadline, because nobody else knows when its training starts."""
    if settings.target.command is not None:
        text = f"{budget.cap:g} s of wall time for each experiment"
        if budget.cap == budget.seconds + budget.startup_seconds:
            text += f": {budget.seconds:g} s, and {budget.startup_seconds:g} s for its start"
        return "deadline", text
    unit = "batches" if budget.clock == "steps" else f"s of {budget.clock} time"
    return "budget", f"{budget.seconds:g} {unit} for each experiment"


def _expected(settings: Settings, budget: Budget, done: Sequence[Brief]) -> str:
    measured = _held_their_slots(done[-50:])
    if measured:
        return f"about {_long(statistics.median(measured))} per experiment, as so far"
    if budget.clock == "steps" or settings.target.command is not None:
        return "unknown until the baseline has run"
    total = budget.seconds + _AROUND[budget.clock]
    return f"about {_long(total)} per experiment with start-up and scoring, on an idle machine"


def _held_their_slots(done: Sequence[Brief]) -> list[float]:
    """For how long each experiment that scored kept others from its slot, in seconds."""
    following: dict[int | None, str] = {}  # the start of what the slot did next
    held = []
    for brief in reversed(done):
        if brief.started_at is None or brief.ended_at is None:
            continue
        start = datetime.fromisoformat(brief.started_at)
        end = min(brief.ended_at, following.get(brief.slot, brief.ended_at))
        if brief.val_bpb is not None:
            held.append((datetime.fromisoformat(end) - start).total_seconds())
        following[brief.slot] = brief.started_at
    return held


def _until(limits: Limits) -> str:
    """Every limit that is in force."""
    rule, target = limits.convergence, limits.target_bpb
    given = [
        (limits.max_experiments, "{:g} experiments"),
        (limits.max_after_baseline, "{:g} more than the baseline"),
        (limits.max_hours, "{:g} hours"),
        (limits.max_device_hours, "{:g} device hours"),
        (limits.max_kwh, "{:g} kWh"),
        (limits.max_cost, "a cost of {:g}"),
        ("" if target is None else f"{target:g}", "a score of {}"),  # which may be 0
        (rule and needed(rule), "convergence (at least {:g} experiments without a gain)"),
        (limits.max_failures_alike, "{:g} failures in a row alike"),
        (limits.max_failures, "{:g} failures in a row"),
        (limits.max_rerun_failures, "{:g} of the incumbent in a row"),
        (limits.min_disk_gb, "less than {:g} GB of disk"),
        (limits.min_memory_gb, "less than {:g} GiB of memory"),
    ]
    wanted = [text.format(limit) for limit, text in given if limit]
    return "; ".join(wanted) or "you stop it: no limit is set"


def _long(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
