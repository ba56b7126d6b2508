"""What the report of a study holds, as plain values: the page only lays it out.

Texts from the study stay as they were recorded; the page makes them printable and escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from markupsafe import Markup

from arl_tui.comparison import source_diff
from arl_tui.durations import span
from arl_tui.output import one_line
from arl_tui.report.chart import Chart, chart, metric_title, shape
from arl_tui.report.diff_markup import diff_markup
from arl_tui.report.gains import baseline_of, fresh_runs, gain_sentences
from arl_tui.tables import delta_cell, describe, score_cell
from state.archive import Archive
from state.documents import PROGRAM
from state.kept import Kept, read_kept
from state.metric import Metric
from state.read import StudyStatus
from state.records import FAILED, SCORED, STATUSES, Epoch, Experiment, Status

DETAILED = 2000  # experiments with their diffs
PRIOR = 500  # results of before the study, the latest
LOGGED = 200  # experiments with the end of their log
_LOG_LINES, _LOG_CHARACTERS = 20, 2000


@dataclass(frozen=True)
class KeptEdit:
    """A kept edit as the report shows it."""

    id: int
    title: str
    score: str
    change: str
    before: int | None
    when: str
    reason: str
    why: str
    diff: Markup


@dataclass(frozen=True)
class EpochChart:
    """The chart of an epoch, and the conditions under which its scores compare."""

    conditions: str
    chart: Chart


@dataclass(frozen=True)
class Row:
    """An experiment in the table; `detailed` when it has more to show than the row."""

    id: int
    status: Status
    shape: str
    score: str
    change: str
    seconds: str
    title: str
    comparable: bool
    detailed: bool
    reason: str
    why: str
    diff: Markup | None
    log: str


@dataclass(frozen=True)
class PriorRow:
    """What was tried before the study; its scores do not compare with the study's."""

    commit: str
    status: str
    score: str
    title: str


@dataclass(frozen=True)
class Report:
    """Everything on the page, in the order of the page."""

    name: str
    facts: list[tuple[str, str]]
    gains: list[str]
    metric: Metric
    charts: list[EpochChart]
    shapes: list[str]
    kept: list[KeptEdit]
    whole_diff: Markup | None
    statuses: list[Status]
    rows: list[Row]
    notes: list[str]
    prior: list[PriorRow]
    program: str


def read_report(archive: Archive, *, detailed: int = DETAILED, logged: int = LOGGED) -> Report:
    """Read the report of a study, with so many diffs and ends of logs at most."""
    now = archive.status()
    metric = Metric.of(now.study)
    experiments = list(archive.experiments())
    chain = read_kept(archive)
    drifts = [
        event.data["sentence"]
        for event in archive.events(type_="drift")
        if now.epoch is not None and experiments[event.data["first_id"]].epoch_id == now.epoch.id
    ]
    kept_ids = {kept.experiment.id for kept in chain}
    with_diff = _chosen([e for e in experiments if e.diff], kept_ids, detailed)
    have_log = archive.logged()
    with_log = _chosen([e for e in experiments if e.id in have_log], kept_ids, logged)
    logs = dict(archive.log_ends(sorted(with_log), _LOG_CHARACTERS))
    epoch_id = None if now.epoch is None else now.epoch.id
    rows = [_row(e, metric, epoch_id, e.id in with_diff, logs.get(e.id, "")) for e in experiments]
    return Report(
        name=now.study.name,
        facts=_facts(now, experiments, metric),
        gains=gain_sentences(now, experiments, chain, metric, drifts),
        metric=metric,
        charts=_charts(archive, now, experiments, metric),
        shapes=sorted({row.shape for row in rows if row.shape != "queued"}, key=_order),
        kept=[_kept(one, metric) for one in chain[1:]],
        whole_diff=_whole_diff(archive, now, experiments, chain),
        statuses=[status for status in STATUSES if status in now.counts],
        rows=rows,
        notes=_notes(experiments, with_diff, len(have_log), len(logs)),
        prior=[
            PriorRow(
                one.commit,
                one.status,
                "-" if one.score is None else metric.number(one.score),
                one_line(one.description),
            )
            for one in archive.prior_results()[-PRIOR:]
        ],
        program=archive.document(PROGRAM) or "",
    )


def _chosen(
    experiments: Sequence[Experiment], kept: AbstractSet[int], most: int
) -> AbstractSet[int]:
    """The ids of so many experiments: the kept ones first, then what failed, then the newest."""
    ranked = sorted(experiments, key=lambda e: (e.id in kept, e.status in FAILED, e.id))
    return {e.id for e in ranked[max(len(ranked) - most, 0) :]}


def _facts(
    now: StudyStatus, experiments: Sequence[Experiment], metric: Metric
) -> list[tuple[str, str]]:
    study, epoch = now.study, now.epoch
    counts = ", ".join(f"{now.counts[s]} {s}" for s in STATUSES if s in now.counts)
    facts = [
        ("Target", study.target_name),
        ("Score", metric_title(metric)),
        ("Policy", f"{study.policy}, seed {study.seed}"),
    ]
    if epoch is not None:
        facts.append(("Budget of each experiment", _conditions(epoch)))
    facts.append(("Experiments", f"{now.experiments}: {counts}" if counts else "none"))
    facts.append(("Time", _period(study.created_at, experiments)))
    facts.append(("State", f"{now.state}: {now.reason}" if now.reason else now.state))
    if now.sigma is not None:
        noise = metric.spread(now.sigma, now.sigma if now.best is None else now.best)
        facts.append(("Noise", f"{noise}, standard deviation of one run"))
    return facts


def _conditions(epoch: Epoch) -> str:
    unit = "steps" if epoch.clock == "steps" else f"s of {epoch.clock} time"
    # A command target has a torch of its own, if any.
    known = epoch.torch_version[:1].isdigit()
    torch = f", torch {epoch.torch_version}" if known else ""
    return f"{epoch.budget:g} {unit} on {epoch.device_model}{torch}"


def _period(created_at: str, experiments: Sequence[Experiment]) -> str:
    ends = [e.ended_at for e in experiments if e.ended_at is not None]
    start = datetime.fromisoformat(created_at)
    if not ends:
        return f"since {_minute(created_at)} UTC"
    seconds = (datetime.fromisoformat(max(ends)) - start).total_seconds()
    return f"{_minute(created_at)} to {_minute(max(ends))} UTC ({span(seconds)})"


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")


def _charts(
    archive: Archive, now: StudyStatus, experiments: Sequence[Experiment], metric: Metric
) -> list[EpochChart]:
    """One for each epoch, the current one first: scores compare only within one."""
    briefs, incumbents = archive.briefs(), archive.incumbents()
    began = datetime.fromisoformat(now.study.created_at)
    charts = []
    for epoch in reversed(archive.epochs()):
        first = baseline_of(experiments, epoch.id)
        runs = fresh_runs(experiments, epoch.id, first.source_sha) if first else []
        baseline = fmean(runs) if runs else None
        own = [one.sigma for one in incumbents if one.epoch_id == epoch.id and one.sigma]
        sigma = own[-1] if own else None
        shapes = chart(epoch, briefs, incumbents, baseline, sigma, began, metric)
        charts.append(EpochChart(_conditions(epoch), shapes))
    return charts


def _kept(kept: Kept, metric: Metric) -> KeptEdit:
    e = kept.experiment
    return KeptEdit(
        id=e.id,
        title=e.summary or e.kind,
        score=metric.number(kept.score),
        change="" if kept.delta is None else metric.change(kept.delta, kept.score),
        before=None if kept.before is None else kept.before.experiment_id,
        when=_minute(kept.since),
        reason=e.reason,
        why=_why(e),
        diff=diff_markup(e.diff, f"arl-tui diff {e.id}"),
    )


def _whole_diff(
    archive: Archive, now: StudyStatus, experiments: Sequence[Experiment], chain: Sequence[Kept]
) -> Markup | None:
    """From the baseline to the best, when several edits lie between them."""
    best = next((e for e in experiments if e.id == now.best_id), None)
    if best is None or len(chain) < 3:
        return None
    diff = source_diff(archive, chain[0].experiment, best)
    return diff_markup(diff, "arl-tui diff best") if diff else None


def _row(e: Experiment, metric: Metric, epoch_id: int | None, diff: bool, log: str) -> Row:
    return Row(
        id=e.id,
        status=e.status,
        shape=shape(e),
        score=score_cell(e, metric),
        change=delta_cell(e, metric),
        seconds="-" if e.seconds is None else f"{e.seconds:.0f}",
        title=describe(e),
        comparable=e.epoch_id == epoch_id or e.status not in SCORED,
        detailed=bool(diff or log or e.reason or _why(e)),
        reason=e.reason,
        why=_why(e),
        diff=diff_markup(e.diff, f"arl-tui diff {e.id}") if diff else None,
        log="\n".join(log.rstrip("\n").split("\n")[-_LOG_LINES:]),
    )


def _why(e: Experiment) -> str:
    """The policy's reason, where it says more than the edit."""
    return e.why if e.why != e.summary else ""


def _order(shape_: str) -> int:
    """The kept ones first, then their re-runs, then in the order of the statuses."""
    order = ("keep", "rerun", *STATUSES)
    return order.index(shape_)


def _notes(
    experiments: Sequence[Experiment], with_diff: AbstractSet[int], have_log: int, logs: int
) -> list[str]:
    """What is left out, and where it is."""
    notes = []
    edits = sum(1 for e in experiments if e.diff)
    if len(with_diff) < edits:
        notes.append(
            f"The diffs of {len(with_diff)} of {edits} edits are shown: those of kept edits, of "
            "failed ones, and of the newest. `arl-tui diff N` prints any."
        )
    if logs < have_log:
        notes.append(
            f"The ends of {logs} of {have_log} logs are shown: those of kept edits, of failed "
            "ones, and of the newest. `arl-tui show N --log` prints any."
        )
    return notes
