"""Writes the present of a study, for viewers: see `state.present`."""

from __future__ import annotations

from dataclasses import asdict

from state.connection import Transaction
from state.lifecycle import keep_curve
from state.present import SAMPLES_KEPT, DeviceSample, Live, Present
from state.rows import dump_json, utc_now


async def publish(t: Transaction, present: Present) -> None:
    """Write what has changed; an experiment that has ended meanwhile is left alone."""
    rows = await t.all("SELECT id, attempt FROM experiments WHERE status = 'running'")
    attempts = {int(row["id"]): int(row["attempt"]) for row in rows}
    await t.write("DELETE FROM live")
    for live in present.live:
        if live.experiment_id in attempts:
            await _insert(t, "live", live)
    for experiment_id, curve in present.curves.items():
        if experiment_id in attempts and curve:
            await keep_curve(t, experiment_id, attempts[experiment_id], curve)
    for sample in present.samples:
        await _add_sample(t, sample)
    for name, data in present.panels.items():
        await t.write(
            "INSERT INTO panels (name, at, data) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET at = excluded.at, data = excluded.data",
            (name, utc_now(), dump_json(data)),
        )


async def _add_sample(t: Transaction, sample: DeviceSample) -> None:
    await _insert(t, "device_samples", sample)
    await t.write(
        "DELETE FROM device_samples WHERE device = ? AND id <= (SELECT id FROM device_samples "
        "WHERE device = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (sample.device, sample.device, SAMPLES_KEPT),
    )


async def _insert(t: Transaction, table: str, record: Live | DeviceSample) -> None:
    values = asdict(record)
    marks = ", ".join("?" * len(values))
    await t.write(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
    )
