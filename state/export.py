"""A study's history in the format of other tools.

`results.tsv` has the columns of karpathy/autoresearch: commit (here the first seven digits of the
source's SHA-256), val_bpb, memory_gb, status (keep, discard or crash) and description.
"""

from __future__ import annotations

from collections.abc import Iterable

from state.records import SCORED, Experiment

TSV_COLUMNS = ("commit", "val_bpb", "memory_gb", "status", "description")


def tsv_rows(experiments: Iterable[Experiment]) -> list[dict[str, str]]:
    """One row for each experiment that has ended, by column; a person's vetoes are left out.

    What did not score says `crash` with zeros, and its own status in the description.
    """
    return [_row(e) for e in experiments if e.ended and e.status != "veto"]


def results_tsv(experiments: Iterable[Experiment]) -> str:
    """The text of results.tsv, with its header line."""
    lines = ["\t".join(TSV_COLUMNS)]
    lines += ["\t".join(row.values()) for row in tsv_rows(experiments)]
    return "\n".join(lines) + "\n"


def _row(experiment: Experiment) -> dict[str, str]:
    scored = experiment.status in SCORED
    memory = (experiment.peak_memory_mb or 0.0) / 1024 if scored else 0.0
    return {
        "commit": experiment.source_sha[:7],
        "val_bpb": f"{experiment.val_bpb if scored else 0.0:.6f}",
        "memory_gb": f"{memory:.1f}",
        "status": experiment.status if scored else "crash",
        "description": _description(experiment),
    }


def _description(experiment: Experiment) -> str:
    text = experiment.summary or experiment.why or experiment.kind
    if experiment.kind not in ("baseline", "candidate") and experiment.subject_id is not None:
        text = f"{experiment.kind} of experiment {experiment.subject_id}"
    if experiment.status not in SCORED:
        text += (
            f" ({experiment.status}: {experiment.reason})"
            if experiment.reason
            else (f" ({experiment.status})")
        )
    # One line without tabs or control characters, whatever the policy or the trial wrote.
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
