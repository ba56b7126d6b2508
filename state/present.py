"""The present of a study, as viewers see it: what runs now, the devices, and the panels.

Its rows are overwritten as things change. A crash may lose the last second of them, and nothing
is decided from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

from state.connection import Transaction
from state.records import Json, Point
from state.rows import dump_json, utc_now
from state.trim import thin_curve

Phase: TypeAlias = Literal["starting", "training", "scoring"]

SAMPLES_KEPT = 300  # of each device


@dataclass(frozen=True, kw_only=True)
class Live:
    """What a running experiment is doing. `progress` is the spent share of its budget."""

    experiment_id: int
    phase: Phase
    phase_since: str
    progress: float = 0.0
    step: int = 0
    loss: float | None = None
    steps_per_second: float | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceSample:
    """A device at a moment. Utilisation from 0 to 1; what it cannot tell is None."""

    at: str
    device: str
    utilisation: float | None = None
    memory_mb: float | None = None
    memory_total_mb: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None


@dataclass(frozen=True, kw_only=True)
class Present:
    """What has changed since the last one: all of `live`, and the rest where it is given."""

    live: Sequence[Live]
    curves: Mapping[int, Sequence[Point]] = field(default_factory=dict)
    samples: Sequence[DeviceSample] = ()
    panels: Mapping[str, Json] = field(default_factory=dict)


async def publish(t: Transaction, present: Present) -> None:
    """Write what has changed; an experiment that has ended meanwhile is left alone."""
    rows = await t.all("SELECT id, attempt FROM experiments WHERE status = 'running'")
    attempts = {int(row["id"]): int(row["attempt"]) for row in rows}
    await t.write("DELETE FROM live")
    for live in present.live:
        if live.experiment_id in attempts:
            values = asdict(live)
            marks = ", ".join("?" * len(values))
            await t.write(
                f"INSERT INTO live ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
            )
    for experiment_id, curve in present.curves.items():
        if experiment_id in attempts and curve:
            await t.write(
                "INSERT INTO curves (experiment_id, attempt, points) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET points = excluded.points",
                (experiment_id, attempts[experiment_id], dump_json(thin_curve(curve))),
            )
    for sample in present.samples:
        await _add_sample(t, sample)
    for name, data in present.panels.items():
        await t.write(
            "INSERT INTO panels (name, at, data) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET at = excluded.at, data = excluded.data",
            (name, utc_now(), dump_json(data)),
        )


async def _add_sample(t: Transaction, sample: DeviceSample) -> None:
    values = asdict(sample)
    marks = ", ".join("?" * len(values))
    await t.write(
        f"INSERT INTO device_samples ({', '.join(values)}) VALUES ({marks})",
        tuple(values.values()),
    )
    await t.write(
        "DELETE FROM device_samples WHERE device = ? AND id <= (SELECT id FROM device_samples "
        "WHERE device = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (sample.device, sample.device, SAMPLES_KEPT),
    )
