"""A study's history in the format of other tools.

`results.tsv` has the columns of karpathy/autoresearch: commit (here the first seven digits of the
source's SHA-256), val_bpb, memory_gb, status (keep, discard or crash) and description. Where the
study's metric is another one, the second column is called as it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from state.records import SCORED, Experiment


def tsv_rows(experiments: Iterable[Experiment], metric: str = "val_bpb") -> list[dict[str, str]]:
    """One row for each experiment that has ended, by column; a person's vetoes are left out.

    What did not score says `crash` with zeros, and its own status in the description.
    """
    return [_row(e, metric) for e in experiments if e.ended and e.status != "veto"]


def results_tsv(experiments: Iterable[Experiment], metric: str = "val_bpb") -> str:
    """The text of results.tsv, with its header line."""
    lines = ["\t".join(("commit", metric, "memory_gb", "status", "description"))]
    lines += ["\t".join(row.values()) for row in tsv_rows(experiments, metric)]
    return "\n".join(lines) + "\n"


def _row(experiment: Experiment, metric: str) -> dict[str, str]:
    scored = experiment.status in SCORED
    memory = (experiment.peak_memory_mb or 0.0) / 1024 if scored else 0.0
    return {
        "commit": experiment.source_sha[:7],
        metric: _score(experiment.val_bpb or 0.0 if scored else 0.0),
        "memory_gb": f"{memory:.1f}",
        "status": experiment.status if scored else "crash",
        "description": _description(experiment),
    }


def _score(score: float) -> str:
    """Six decimals, or six digits where these would say little."""
    return f"{score:.6f}" if not score or 0.01 <= abs(score) < 1e6 else f"{score:.6g}"


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
