"""A study as lines of text, at most 80 columns wide unless the terminal is wider."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from arl_tui.evaluation_text import look_lines, verdict
from arl_tui.output import one_line, printable
from arl_tui.timing_words import timing_line
from state.metric import SELF_REPORTED, VAL_BPB, Metric
from state.read import StudyStatus
from state.records import STATUSES, Evaluation, Experiment, Json, Status
from state.watch import Brief

STYLES: dict[Status, str] = {
    "running": "bold cyan",
    "interrupted": "cyan",
    "keep": "bold green",
    "abort": "yellow",
    "crash": "red",
    "timeout": "red",
    "oom": "red",
    "invalid": "magenta",
    "veto": "magenta",
}
_LOG_LINES = 20


def status_style(status: Status, no_color: bool = False) -> Style:
    """How a status is written; without colours, only in bold: Textual makes red almost black."""
    style = Style.parse(STYLES.get(status, ""))
    return style.without_color if no_color else style


def width() -> int:
    """Columns to fill: those of the terminal, 80 without one."""
    return max(shutil.get_terminal_size((80, 24)).columns, 40)


def status_lines(
    now: StudyStatus,
    oracle: Sequence[Json] = (),
    selfeval: Json = None,
    undecided: Sequence[str] = (),
) -> list[Text]:
    """Where a study stands, for people.

    `oracle` are its readings and `selfeval` the panel of that name, maybe of an ended engine;
    `undecided` are sentences on candidates.
    """
    study, epoch, metric = now.study, now.epoch, Metric.of(now.study)
    state = now.state + (f" (engine {now.engine_pid})" if now.engine_pid else "")
    counts = ", ".join(f"{now.counts[s]} {s}" for s in STATUSES if s in now.counts)
    rows = [
        ("study", f"{study.name} ({study.target_name}, policy {study.policy})"),
        ("state", f"{state}: {now.reason}" if now.reason else state),
    ]
    if epoch is not None:
        unit = "steps" if epoch.clock == "steps" else f"s of {epoch.clock} time"
        rows.append(("budget", f"{epoch.budget:g} {unit} on {epoch.device_model}"))
    rows.append(("experiments", f"{now.experiments} ({counts})" if counts else "0"))
    if metric.self_reported:
        rows.append(("score", f"{metric.marked}, {metric.better} is better"))
    rows.append(("baseline", _score(now.baseline, metric)))
    rows.append(("best", _best(now, metric)))
    rows.append(("noise", _noise(now, metric)))
    if now.contention is not None:
        said = now.contention if now.engine_pid else f"as last said: {now.contention}"
        rows.append(("contention", said))
    lines = [_field(name, value) for name, value in rows]
    for number, sentence in enumerate(undecided):
        lines += _paragraph("" if number else "open", "", sentence)
    if isinstance(selfeval, dict) and selfeval.get("state") != "off":
        lines += _paragraph("self-eval", "", str(selfeval.get("sentence")))
    title = "oracle" if now.engine_pid else "oracle said"
    for reading in oracle:
        lines += _reading_lines(title, reading)
        title = ""
    return lines


def _reading_lines(title: str, reading: Json) -> list[Text]:
    """What a criterion of the oracle says, over as many lines as it needs."""
    used = reading.get("used")
    share = (
        "  -  " if used is None else "STOP " if reading.get("stop") else f"{min(used, 9.99):4.0%} "
    )
    return _paragraph(title, share, f"{reading.get('name')}: {reading.get('sentence')}")


def _paragraph(title: str, before: str, sentence: str) -> list[Text]:
    words = textwrap.wrap(one_line(sentence), width() - 12 - len(before))
    first = Text.assemble((f"{title:<12}", "bold"), before, *words[:1])
    return [first, *(Text(f"{'':<{12 + len(before)}}{more}") for more in words[1:])]


def history_lines(
    experiments: Iterable[Experiment],
    best_id: int | None,
    epoch_id: int | None,
    drifts: Mapping[int, str] | None = None,
    metric: Metric = VAL_BPB,
) -> list[Text]:
    """One line for each experiment; `*` marks the best, `~` scores of another epoch.

    `drifts` has a sentence for the first experiment after each drift; it comes before that one.
    """
    coming = sorted((drifts or {}).items())
    columns, cells = width(), metric.width
    score = pad(_clip(metric.title, cells), cells)
    lines = [Text(f"{'id':>6}  {'status':<11}  {score}  {'delta':>{cells}}  {'secs':>6}  edit")]
    room = columns - cell_len(lines[0].plain) + len("edit")
    marks = Counter[str]()
    for e in experiments:
        while coming and coming[0][0] <= e.id:
            sentence = coming.pop(0)[1]
            if len(lines) > 1:  # the drift lies between what is listed
                lines += [Text(line, style="yellow") for line in _wrapped(sentence, columns)]
        mark = "*" if e.id == best_id else "~" if _is_old(e, epoch_id) else " "
        marks[mark] += 1
        line = Text(f"{mark}{e.id:>5}  ")
        line.append(f"{e.status:<11}", STYLES.get(e.status, ""))
        line.append(f"  {score_cell(e, metric):>{cells}}  {delta_cell(e, metric):>{cells}}")
        line.append(f"  {_number(e.seconds, '.0f'):>6}  ")
        line.append(_clip(describe(e), room))
        lines.append(line)
    if marks["~"]:
        lines.append(Text("~ of an earlier epoch: not comparable with the later scores"))
    if metric.self_reported and marks:
        lines.append(Text(f"{metric.title} is {SELF_REPORTED}: the command prints it"))
    return lines


def score_cell(experiment: Experiment | Brief, metric: Metric) -> str:
    """Its score in a table."""
    return "-" if experiment.val_bpb is None else metric.number(experiment.val_bpb)


def delta_cell(experiment: Experiment | Brief, metric: Metric) -> str:
    """Its delta in a table."""
    if experiment.delta is None:
        return "-"
    return metric.change(experiment.delta, experiment.val_bpb or experiment.delta)


def pad(text: str, columns: int) -> str:
    """The text at the right of so many columns."""
    return " " * (columns - cell_len(text)) + text


def experiment_lines(
    experiment: Experiment,
    log: str,
    whole_log: bool,
    evaluation: Evaluation | None = None,
    metric: Metric = VAL_BPB,
) -> list[Text]:
    """Everything about one experiment, for people."""
    lines = experiment_fields(experiment, evaluation, metric)
    if experiment.diff:
        diff = experiment.diff.rstrip("\n").split("\n")
        lines += [Text(), *(Text(printable(line)) for line in diff)]
    if log:
        printed = log.rstrip("\n").split("\n")
        shown = printed if whole_log else printed[-_LOG_LINES:]
        title = "log" if len(shown) == len(printed) else f"log (last {_LOG_LINES} lines)"
        lines += [Text(), Text(title, style="bold"), *(Text(printable(line)) for line in shown)]
    return lines


def experiment_fields(
    experiment: Experiment, evaluation: Evaluation | None = None, metric: Metric = VAL_BPB
) -> list[Text]:
    """What is known about one experiment, in short lines, without its diff and log."""
    e = experiment
    seconds = f"{_number(e.seconds, '.1f')} s of budget, {_number(e.wall_seconds, '.1f')} s in all"
    rows = [
        ("experiment", f"{e.id} ({e.kind}{relation(e)})"),
        ("status", f"{e.status}: {e.reason}" if e.reason else e.status),
        ("self-eval", verdict(e, evaluation, metric)),
        ("edit", e.summary),
        ("why", e.why),
        ("val-bpb" if metric.is_bpb else "score", _score_field(e, metric)),
        ("sealed", "" if e.sealed_bpb is None else f"{e.sealed_bpb:.4f} on the second shard"),
        ("delta", _delta_field(e, metric)),
        ("time", seconds if e.seconds is not None or e.wall_seconds is not None else ""),
        ("spent on", timing_line(e.timing) if e.timing else ""),
        ("steps", _number(e.steps, "d") if e.steps is not None else ""),
        ("memory", f"{e.peak_memory_mb:.0f} MB at its peak" if e.peak_memory_mb else ""),
        ("contention", contention(e)),
        ("device", "" if e.device is None else f"{e.device}, slot {e.slot}"),
        ("policy", "" if e.policy is None else f"{e.policy}, proposal {e.proposal_number}"),
        ("seed", str(e.seed)),
        ("attempt", str(e.attempt) if e.attempt > 1 else ""),
        ("started", e.started_at or ""),
        ("ended", e.ended_at or ""),
        ("source", e.source_sha[:12]),
    ]
    fields = [_field(name, value) for name, value in rows if value]
    looks = look_lines(evaluation, metric) if evaluation else []
    if looks:
        fields += [Text(), Text("looks of self-evaluation", style="bold"), *map(Text, looks)]
    return fields


def contention(experiment: Experiment) -> str:
    """What it had to share while its clock ran; empty where that is not known."""
    waited, others = experiment.contention, experiment.other_load
    parts = []
    if waited is not None:
        parts.append(f"waited for a processor {100 * waited:.1f} % of its time")
    if others is not None:
        parts.append(f"others used {100 * others:.0f} % of the processors")
    return "; ".join(parts)


def describe(experiment: Experiment | Brief) -> str:
    """What an experiment does, in one printable line."""
    if experiment.kind == "candidate":
        text = experiment.summary
        if not text and isinstance(experiment, Experiment):
            text = experiment.why
    else:
        text = f"{experiment.kind}{relation(experiment)}"
    if experiment.reason and experiment.status not in ("keep", "discard"):
        text = f"{text} ({experiment.reason})" if text else experiment.reason
    if isinstance(experiment, Brief) and experiment.audited:
        text += " (audited)"
    return one_line(text)


def relation(experiment: Experiment | Brief) -> str:
    """Which experiment it repeats or was made from."""
    if experiment.subject_id is not None:
        return f" of {experiment.subject_id}"
    if experiment.parent_id is not None:
        return f" from {experiment.parent_id}"
    return ""


def _is_old(experiment: Experiment, epoch_id: int | None) -> bool:
    return experiment.val_bpb is not None and experiment.epoch_id != epoch_id


def _score_field(experiment: Experiment, metric: Metric) -> str:
    score = experiment.val_bpb
    if score is None:
        return _score(None, metric)
    said = metric.number(score) if metric.is_bpb else metric.quantity(score)
    return f"{said} ({SELF_REPORTED})" if metric.self_reported else said


def _delta_field(experiment: Experiment, metric: Metric) -> str:
    if experiment.delta is None:
        return ""
    better = "negative" if metric.direction == "min" else "positive"
    return f"{delta_cell(experiment, metric)} ({better} is better)"


def _noise(now: StudyStatus, metric: Metric) -> str:
    if now.sigma is None:
        return "unknown"
    beside = now.sigma if now.best is None else now.best
    return f"sigma {metric.spread(now.sigma, beside)}" + " bpb" * metric.is_bpb


def _best(now: StudyStatus, metric: Metric) -> str:
    if now.best_id is None:
        return "not measured"
    if now.best is None:
        return f"experiment {now.best_id}, not yet measured in this epoch"
    gain = ""
    if now.baseline and now.best_id != 0:
        share = (now.best - now.baseline) / abs(now.baseline)
        gain = f", {100 * share:+.1f} % against the baseline"
    return f"{metric.number(now.best)} (experiment {now.best_id}{gain})"


def _score(value: float | None, metric: Metric) -> str:
    return "not measured" if value is None else metric.number(value)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _field(name: str, value: str) -> Text:
    return Text.assemble((f"{name:<12}", "bold"), one_line(value))


def _wrapped(sentence: str, columns: int) -> list[str]:
    return textwrap.wrap(printable(sentence), columns, initial_indent="- ", subsequent_indent="  ")


def _clip(text: str, columns: int) -> str:
    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, columns - 1).rstrip() + "…"
