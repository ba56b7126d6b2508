"""The recorded loss curves that come with the program: see `engine.curve_recorder`."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

GIVEN = "the script as it is given"  # the edit of the baseline
_SHIPPED = "shipped-cpu20.jsonl.gz"  # of the default budget on a CPU


@dataclass(frozen=True)
class RecordedRun:
    """One run of a script: its losses in nats by progress (0..1), and its val-bpb."""

    study: str
    edit: str
    source: str  # the same for runs of the same script
    budget: float  # CPU seconds
    curve: tuple[tuple[float, float], ...]
    score: float | None  # None where it failed

    @property
    def is_baseline(self) -> bool:
        """Whether it is the script as it is given."""
        return self.source == "given"


def load(path: Path | None = None) -> list[RecordedRun]:
    """The runs of a file that the recorder wrote, plain or gzipped; by default the shipped ones.

    Raises ValueError for another file, OSError for one that cannot be read.
    """
    if path is None:
        data = resources.files("engine").joinpath("curves", _SHIPPED).read_bytes()
    else:
        data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    try:
        return [_run(json.loads(line)) for line in data.decode().splitlines()]
    except (KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} holds no recorded curves: {error}") from error


def _run(record: dict[str, object]) -> RecordedRun:
    edit, curve, score = str(record["edit"]), record["curve"], record["val_bpb"]
    given = edit == GIVEN
    key = hashlib.blake2b(f"{record['study']}:{record['number']}".encode(), digest_size=8)
    if not isinstance(curve, list) or not isinstance(score, float | None):
        raise TypeError("a curve is a list of points, a score a number or null")
    budget = record["budget"]
    assert isinstance(budget, float | int)
    return RecordedRun(
        study=str(record["study"]),
        edit=edit,
        source="given" if given else key.hexdigest(),
        budget=float(budget),
        curve=tuple((float(progress), float(loss)) for progress, _, loss in curve),
        score=score,
    )
