"""A made-up study of any size, for `bench viewer` and for tests: its numbers mean nothing.

Sources and diffs are real edits of the shipped script; scores, curves and times are drawn.
"""

from __future__ import annotations

import math
import random
import re
import sqlite3
from dataclasses import astuple, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import cache

from arl_tui.made_up_evaluation import (
    NEEDED,
    aborted,
    finished,
    forecast,
    panel,
    reason,
    write_evaluations,
)
from arl_tui.made_up_metric import BPB, Scale
from arl_tui.made_up_present import LOG, curve, write_live, write_present, write_study
from state import schema
from state.folder import StudyFolder
from state.records import Evaluation
from state.rows import source_sha256
from target import shipped
from target.diff import unified_diff

_SIGMA = 0.004
_BASELINE = 2.3124
_BEGAN = datetime(2026, 11, 1, 22, 0, tzinfo=UTC)
_EACH = timedelta(seconds=61.7)
_CHANGES = {
    "DEPTH": (2, 3, 4),
    "WIDTH": (48, 96, 128),
    "BATCH_TOKENS": (512, 2048, 4096),
    "MATRIX_LR": (0.01, 0.014, 0.028, 0.04),
    "EMBED_LR": (0.2, 0.6, 0.8),
    "WEIGHT_DECAY": (0.01, 0.05, 0.1),
    "WARMUP": (0.02, 0.05),
    "WARMDOWN": (0.3, 0.4, 0.65, 0.8),
    "ADAM_BETA2": (0.95, 0.98, 0.995),
    "MOMENTUM": (0.9, 0.93, 0.97),
}
_FAILURES = (
    ("crash", "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x96 and 64x32)"),
    ("timeout", "no batch was asked for within 120 s of start-up"),
    ("oom", "it used more than 12.6 GiB of memory"),
    ("abort", "the loss has not been a number since 12 % of the budget"),
    ("invalid", "line 12: HEAD_DIM must divide WIDTH"),
    ("veto", "too deep for this budget"),
)


@dataclass
class _Row:
    """A row of `experiments`, in part."""

    id: int
    kind: str
    status: str
    source_sha: str
    parent_sha: str | None = None
    parent_id: int | None = None
    subject_id: int | None = None
    diff: str = ""
    summary: str = ""
    why: str = ""
    policy: str | None = None
    proposal_number: int | None = None
    log_prob: float | None = None
    reason: str = ""
    val_bpb: float | None = None
    sealed_bpb: float | None = None
    delta: float | None = None
    seconds: float | None = None
    wall_seconds: float | None = None
    startup_seconds: float | None = None
    score_seconds: float | None = None
    steps: int | None = None
    peak_memory_mb: float | None = None
    device: str | None = "cuda:0"
    slot: int | None = 0
    attempt: int = 1
    created_at: str = ""
    started_at: str | None = ""
    ended_at: str | None = ""
    epoch_id: int = 1
    seed: int = 1


@dataclass
class _State:
    """Where the made-up search stands."""

    random: random.Random
    sources: dict[str, str]
    best_sha: str
    scale: Scale
    best_id: int = 0
    best: float = _BASELINE
    incumbents: list[tuple[int, str, float, float]] = field(default_factory=list)
    proposals: int = 0
    curves: int = 0  # of experiments that scored
    saved_seconds: float = 0.0
    evaluations: dict[int, Evaluation] = field(default_factory=dict)


def make_study(
    folder: StudyFolder,
    experiments: int,
    *,
    seed: int = 0,
    running: bool = True,
    pending: int = 0,
    supervised: bool = False,
    overlapping: bool = False,
    scale: Scale = BPB,
) -> None:
    """Write a study of so many experiments to a new folder.

    With `running` the last one runs, and viewers see it while somebody holds the study's lock;
    `overlapping`: meanwhile the one before it is scored. `pending` more candidates wait for a
    review. With another `scale` than bits per byte its target is a command.
    """
    folder.make()
    schema.create(folder.database)
    source = shipped.read()
    sha = source_sha256(source)
    state = _State(random.Random(seed), {sha: source}, sha, scale)
    rows = [_finished(number, state) for number in range(experiments)]
    live = rows[-1 - overlapping :] if running else []
    for row in live:
        _begin(row, state)
    waiting = range(experiments, experiments + pending)
    rows += [_queued(number, state) for number in waiting]
    db = sqlite3.connect(folder.database, isolation_level=None)
    try:
        db.execute("BEGIN")
        write_study(db, seed, supervised, running, _at(0), scale.metric)
        _write_experiments(db, rows, state)
        write_evaluations(db, state.evaluations)
        for number in waiting:
            db.execute(
                "INSERT INTO reviews (experiment_id, verdict, requested_at) "
                "VALUES (?, 'pending', ?)",
                (number, _at(number)),
            )
        selfeval = panel(state.evaluations, state.curves, state.saved_seconds)
        for row in live:
            expected = scale.forecast(forecast(row.kind, state.best, state.curves))
            write_live(db, row.id, row is live[-1], expected, _at)
        write_present(db, len(rows), selfeval, _at)
        db.execute("COMMIT")
    finally:
        db.close()


def _finished(number: int, state: _State) -> _Row:
    kind = "candidate"
    if number < 3:
        kind = "baseline" if number == 0 else "replicate"
    elif number % 20 == 19:
        kind = "sentinel"
    row = _Row(number, kind, "keep", state.best_sha)
    row.created_at = row.started_at = _at(number)
    row.ended_at = _at(number + 0.95)
    row.seed = number
    dice = state.random
    if kind != "candidate":
        row.subject_id = None if number == 0 else state.best_id
        row.summary = "" if number == 0 else f"repeats #{state.best_id}"
        return _scored(row, state.best + _SIGMA * dice.gauss(0, 1), state)
    _edit(row, state)
    if dice.random() < 0.18:
        row.status, row.reason = dice.choice(_FAILURES)
        if row.status in ("invalid", "veto"):
            row.started_at = row.device = row.slot = None
            row.attempt = 0
        else:
            row.seconds, row.wall_seconds = dice.uniform(5, 300), dice.uniform(20, 330)
        if row.status == "abort":
            _abort(row, state)
        return row
    gain = 0.03 * dice.random() ** 3 if dice.random() < 0.05 and state.best > 2.05 else 0.0
    if gain > 3 * _SIGMA:
        score = state.best - gain
        change = state.scale.change(-gain)
        row.reason = f"3 fresh runs confirm it: {change:+.4f}, {gain / _SIGMA:.1f} sigma"
        _scored(row, score, state)
        state.best, state.best_id, state.best_sha = score, number, row.source_sha
        _promote(number, _at(number + 2), score, state)
        return row
    row.status, row.reason = "discard", "no gain beyond the noise"
    return _scored(row, state.best + abs(dice.gauss(0.02, 0.04)) + _SIGMA * dice.gauss(0, 1), state)


def _promote(number: int, at: str, score: float, state: _State) -> None:
    scale = state.scale
    state.incumbents.append((number, at, scale.score(score), scale.spread(_SIGMA)))


def _scored(row: _Row, score: float, state: _State) -> _Row:
    dice, scale = state.random, state.scale
    if row.id == 0:
        _promote(0, _at(3), _BASELINE, state)
    row.val_bpb, row.delta = scale.score(score), scale.change(score - state.best)
    if row.kind != "candidate" and not scale.metric.self_reported:
        row.sealed_bpb = score + 0.01
    row.seconds, row.wall_seconds = 300.2, 321.0 + dice.random()
    row.startup_seconds, row.score_seconds = 14.1, 6.3
    row.steps, row.peak_memory_mb = dice.randint(900, 1000), dice.uniform(9_000, 12_000)
    if row.status == "discard":
        seen = finished(row.id, score, state.best, state.curves)
        state.evaluations[row.id] = scale.evaluation(seen)
    state.curves += 1
    return row


def _abort(row: _Row, state: _State) -> None:
    at = 0.12
    if state.curves >= NEEDED:
        seen = state.evaluations[row.id] = state.scale.evaluation(aborted(row.id, state.best))
        row.reason, at = reason(seen), seen.looks[-1].progress
    row.seconds, row.wall_seconds, row.steps = 300 * at, 300 * at + 15, round(960 * at)
    state.saved_seconds += 300 * (1 - at)


def _edit(row: _Row, state: _State) -> None:
    """Change one or two constants of the incumbent."""
    parent = state.sources[state.best_sha]
    source, parts = parent, []
    for name in state.random.sample(sorted(_CHANGES), state.random.choice((1, 2, 2))):
        old = re.search(rf"^{name} = (\S+)", source, re.MULTILINE)
        value = str(state.random.choice(_CHANGES[name]))
        if old is not None and old[1] != value:
            parts.append(f"{name} {old[1]} -> {value}")
            source = re.sub(rf"^{name} = \S+", f"{name} = {value}", source, flags=re.MULTILINE)
    row.parent_sha, row.parent_id = state.best_sha, state.best_id
    row.source_sha = source_sha256(source)
    state.sources.setdefault(row.source_sha, source)
    row.diff, row.summary = _diff(parent, source), ", ".join(parts)
    row.log_prob = -state.random.uniform(2, 9)
    row.why = f"sampled, {len(parts)} sites (probability {math.exp(row.log_prob):.2g})"
    row.policy, row.proposal_number = "ppo", state.proposals
    state.proposals += 1


@cache
def _diff(parent: str, source: str) -> str:
    return unified_diff(parent, source)


def _begin(row: _Row, state: _State) -> None:
    if row.val_bpb is not None:
        state.curves -= 1
    state.evaluations.pop(row.id, None)
    row.status, row.reason, row.ended_at = "running", "", None
    row.val_bpb = row.sealed_bpb = row.delta = row.seconds = row.wall_seconds = None
    row.started_at, row.device, row.slot, row.attempt = row.created_at, "cuda:0", 0, 1


def _queued(number: int, state: _State) -> _Row:
    row = _Row(number, "candidate", "queued", state.best_sha, created_at=_at(number))
    _edit(row, state)
    row.started_at = row.ended_at = row.device = row.slot = None
    row.attempt = 0
    return row


def _write_experiments(db: sqlite3.Connection, rows: list[_Row], state: _State) -> None:
    db.executemany("INSERT INTO sources VALUES (?, ?)", state.sources.items())
    names = [f.name for f in fields(_Row)]
    db.executemany(
        f"INSERT INTO experiments ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [astuple(row) for row in rows],
    )
    db.executemany(
        "INSERT INTO incumbents (epoch_id, experiment_id, since, score, sigma) "
        "VALUES (1, ?, ?, ?, ?)",
        [one for one in state.incumbents if one[0] < len(rows)],
    )
    for row in rows:
        if row.attempt and row.seconds:
            until = row.seconds / 300 if row.status == "abort" else 1.0
            db.execute("INSERT INTO curves VALUES (?, 1, ?)", (row.id, curve(row.id, until)))
            db.execute("INSERT INTO logs VALUES (?, 1, ?)", (row.id, LOG))
        db.execute(
            "INSERT INTO events (at, type, experiment_id, data) VALUES (?, 'finished', ?, '{}')",
            (row.ended_at or row.created_at, row.id),
        )


def _at(number: float) -> str:
    return (_BEGAN + number * _EACH).isoformat(timespec="microseconds").replace("+00:00", "Z")
