"""The engine's store is lower-is-better whatever the metric; viewers see the metric's numbers."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.folder import StudyFolder
from state.lock import EngineLock
from state.metric import Direction
from state.orientation import Orientation
from state.present import Live, Present
from state.records import Evaluation, Look, NewEpoch, NewExperiment, NewStudy, Outcome
from state.rows import utc_now
from state.standing import Seen
from state.store import Store
from state.watch import Watcher

EPOCH = NewEpoch(
    environment_digest="d", budget=1.0, clock="steps", device_model="CPU", torch_version="2"
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | NUMBERS


@st.composite
def lives(draw: st.DrawFn) -> dict[str, Any]:
    """What is recorded of one experiment: an outcome, looks, a score as incumbent, a forecast."""
    looks = st.builds(
        Look,
        progress=st.just(0.5),
        level=NUMBERS,
        tail=NUMBERS,
        forecast=MAYBE,
        spread=MAYBE,
        threshold=MAYBE,
    )
    return {
        "outcome": Outcome(
            status="keep",
            val_bpb=draw(NUMBERS),
            sealed_bpb=draw(MAYBE),
            delta=draw(MAYBE),
            seconds=3.5,
            peak_memory_mb=7.0,
        ),
        "evaluation": Evaluation(looks=tuple(draw(st.lists(looks, max_size=2)))),
        "score": draw(NUMBERS),
        "sigma": draw(MAYBE),
        "live": Live(
            experiment_id=1,
            phase="training",
            phase_since=utc_now(),
            loss=4.5,
            forecast=draw(MAYBE),
            forecast_low=draw(MAYBE),
            forecast_high=draw(MAYBE),
            threshold=draw(MAYBE),
        ),
    }


async def record(folder: StudyFolder, direction: Direction, life: dict[str, Any]) -> dict[str, Any]:
    """Write a study of one ended and one running experiment; what the store then says of it."""
    study = NewStudy(name="s", seed=1, target_name="t", policy="p", direction=direction)
    async with Store.create(folder, study) as store:
        await store.add_epoch(EPOCH)
        for kind in ("baseline", "replicate"):
            new = NewExperiment(kind=kind, source="A = 1\n", seed=1)  # type: ignore[arg-type]
            number = await store.enqueue(new, operation=None)
            await store.start(number, slot=0, device="cpu")
        outcome, seen = life["outcome"], life["evaluation"]
        await store.finish(0, outcome, operation="observe", evaluation=seen)
        await store.set_incumbent(0, score=life["score"], sigma=life["sigma"])
        await store.publish(Present(live=(life["live"],)))
        (known,) = (await store.changes(Seen())).incumbents
        incumbent = await store.incumbent()
        assert incumbent == known == (await store.incumbents())[0]
        experiment = await store.experiment(0)
        assert experiment == (await store.experiments())[0]
        return {
            "outcome": Outcome(**{n: getattr(experiment, n) for n in Outcome.__dataclass_fields__}),
            "evaluation": (await store.evaluations())[0],
            "score": known.score,
            "sigma": known.sigma,
        }


def seen_by_viewers(folder: StudyFolder) -> dict[str, Any]:
    with EngineLock(folder.lock), Watcher(folder) as watcher:
        experiment, now = watcher.experiment(0), watcher.status()
        (brief, _), (live,), (incumbent,) = watcher.briefs(), watcher.live(), watcher.incumbents()
        (finished,) = watcher.events(type_="finished")
        assert brief.val_bpb == experiment.val_bpb == finished.data["val_bpb"] == now.baseline
        assert brief.delta == experiment.delta == finished.data["delta"]
        assert incumbent.score == now.best
        return {
            "outcome": Outcome(**{n: getattr(experiment, n) for n in Outcome.__dataclass_fields__}),
            "evaluation": watcher.evaluation(0),
            "score": incumbent.score,
            "sigma": incumbent.sigma,
            "live": live,
        }


def negated(value: float | None) -> float | None:
    return None if value is None else -value


@settings(max_examples=25, deadline=None)
@given(lives())
def test_what_goes_into_a_max_store_comes_out_again_and_viewers_see_it_negated(
    life: dict[str, Any],
) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = StudyFolder(Path(path) / "study")
        said = anyio.run(record, folder, "max", life)
        seen = seen_by_viewers(folder)
    assert said == {name: life[name] for name in said}
    outcome, live = life["outcome"], life["live"]
    assert seen["outcome"] == replace(
        outcome,
        val_bpb=-outcome.val_bpb,
        sealed_bpb=negated(outcome.sealed_bpb),
        delta=negated(outcome.delta),
    )
    for look, raw in zip(life["evaluation"].looks, seen["evaluation"].looks, strict=True):
        turned = {"forecast": negated(look.forecast), "threshold": negated(look.threshold)}
        assert raw == replace(look, **turned)
    assert (seen["score"], seen["sigma"]) == (-life["score"], life["sigma"])
    assert seen["live"] == replace(
        live,
        forecast=negated(live.forecast),
        forecast_low=negated(live.forecast_high),
        forecast_high=negated(live.forecast_low),
        threshold=negated(live.threshold),
    )
    assert str(seen["score"]) != "-0.0"


@settings(max_examples=10, deadline=None)
@given(lives())
def test_a_min_store_writes_what_it_is_given(life: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as path:
        folder = StudyFolder(Path(path) / "study")
        said = anyio.run(record, folder, "min", life)
        seen = seen_by_viewers(folder)
        database = sqlite3.connect(folder.database)
        row = database.execute("SELECT val_bpb, sealed_bpb, delta FROM experiments").fetchone()
        database.close()
    assert said == {name: life[name] for name in said}
    assert seen == life
    outcome = life["outcome"]
    assert row == (outcome.val_bpb, outcome.sealed_bpb, outcome.delta)


@given(NUMBERS)
def test_turning_twice_changes_nothing(value: float) -> None:
    turn = Orientation("max").number
    assert turn(turn(value)) == value
    assert Orientation("min").number(value) is value
    assert turn(None) is None


@pytest.mark.anyio
async def test_a_max_study_is_opened_again_as_it_was(folder: StudyFolder) -> None:
    life = {
        "outcome": Outcome(status="keep", val_bpb=-0.75),
        "evaluation": Evaluation(looks=()),
        "score": -0.75,
        "sigma": None,
        "live": Live(experiment_id=1, phase="training", phase_since=utc_now()),
    }
    await record(folder, "max", life)
    async with Store.open(folder) as store:
        assert store.metric.direction == "max"
        assert [one.val_bpb for one in await store.experiments()] == [-0.75, None]
        (left,) = await store.recover()
        assert left.val_bpb is None
    with Watcher(folder) as watcher:
        assert watcher.status().best == 0.75
