"""One candidate by hand: gate, train, score. It touches no study."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

from engine.conditions import establish
from engine.decisions import trial_seed
from engine.events import Announce, EngineEvent
from engine.executor import Listener, TrialRequest, TrialResult
from engine.executors import executor_for
from engine.settings import Settings
from engine.target_reading import refusal


async def run_attempt(text: str, settings: Settings, announce: Announce) -> TrialResult:
    """Run a candidate's source once."""
    reason = refusal(text, settings.target)
    if reason is not None:
        return TrialResult("invalid", reason)
    conditions = await establish(settings, announce)
    with tempfile.TemporaryDirectory(prefix="arl-try-") as scratch:
        async with anyio.create_task_group() as tasks:
            executor = executor_for(tasks, conditions, Path(scratch))
            request = TrialRequest(
                experiment_id=0,
                attempt=1,
                source=text,
                seed=trial_seed(settings.seed, 0),
                budget=conditions.budget,
                slot=conditions.slots[0],
            )
            data = {"id": 0, "kind": "candidate"}
            listener = Listener(
                on_phase=lambda phase: announce(
                    EngineEvent("phase", phase, data | {"phase": phase})
                ),
                on_report=lambda point: announce(
                    EngineEvent(
                        "report", "", data | {"progress": point.progress, "loss": point.loss}
                    )
                ),
            )
            job = await executor.submit(request, listener)
            result = await job.result()
    return result
