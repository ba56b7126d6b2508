"""Studies of other metrics: decided as any other, and told in the metric's own numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.acceptance import judge
from engine.audits import Ended
from engine.conditions import Conditions
from engine.drift import Drift
from engine.events import EngineEvent
from engine.executor import Budget, Slot, TrialRequest, TrialResult
from engine.in_process import InProcessExecutor
from engine.keepers import record
from engine.means import mean
from engine.notify import Notifier
from engine.oracle import Facts, consult, criteria
from engine.runs import Runs
from engine.score_words import ScoreWords, metric_of
from engine.selfeval import SelfEvaluation
from engine.settings import Acceptance, SettingsError, validate
from engine.settings import SelfEvaluation as SelfEvaluationSettings
from engine.study import prepare_engine
from env.sandbox import Sandbox
from state.folder import StudyFolder
from state.metric import VAL_BPB, Metric
from state.records import (
    Experiment,
    Incumbent,
    NewEpoch,
    NewExperiment,
    NewStudy,
    Outcome,
)
from state.store import Store
from state.watch import Watcher
from target.sites import find_sites

pytestmark = pytest.mark.anyio
ACCURACY = Metric("accuracy", "max", self_reported=True)
WORDS = ScoreWords(ACCURACY)
COMMAND = {"path": "train.py", "command": "python train.py"}


class Night:
    """Runs a toy study whose scores are counted in a metric."""

    def __init__(self, toy: ModuleType, folder: Path, metric: Metric, scale: float = 1.0) -> None:
        self.toy, self.metric, self.scale = toy, metric, scale
        self.folder = StudyFolder(folder / "study")
        self.events: list[EngineEvent] = []

    def trial(self, request: TrialRequest) -> TrialResult:
        result: TrialResult = self.toy.trial(request)
        if result.val_bpb is None:
            return result
        return replace(result, val_bpb=self.scale * result.val_bpb, sealed_bpb=None)

    async def run(self, limit: int = 18) -> list[Experiment]:
        settings = self.toy.settings(limit)
        study = NewStudy(
            name="toy",
            seed=5,
            target_name="train.py",
            policy="local",
            target_kind="command" if self.metric.self_reported else "sealed",
            metric=self.metric.name,
            direction=self.metric.direction,
        )
        conditions = Conditions(
            (Slot(0, "cpu", 1, 1 << 30),),
            Budget(5, "steps"),
            self.toy.ENVIRONMENT,
            Sandbox(None),
        )
        async with Store.create(self.folder, study) as store:
            executor = InProcessExecutor(self.trial)
            engine = await prepare_engine(
                store, settings, conditions, executor, self.events.append, self.toy.TARGET, False
            )
            await engine.run()
        with Watcher(self.folder) as watcher:
            return watcher.history()

    def said(self, type_: str) -> list[str]:
        return [event.sentence for event in self.events if event.type == type_]


def decided(experiments: list[Experiment]) -> list[tuple[Any, ...]]:
    return [(e.kind, e.status, e.subject_id, e.source_sha, e.seed) for e in experiments]


async def test_a_study_that_maximises_is_the_mirror_of_one_that_minimises(
    toy: ModuleType, tmp_path: Path
) -> None:
    lower = Night(toy, tmp_path / "min", VAL_BPB)
    higher = Night(toy, tmp_path / "max", ACCURACY)
    one, other = await lower.run(), await higher.run()
    assert decided(one) == decided(other)
    assert any(e.kind == "candidate" and e.status == "keep" for e in one)
    assert [e.val_bpb for e in other] == [None if e.val_bpb is None else -e.val_bpb for e in one]
    assert [e.delta for e in other] == [None if e.delta is None else 0.0 - e.delta for e in one]
    with Watcher(lower.folder) as a, Watcher(higher.folder) as b:
        best, top = a.status(), b.status()
        assert best.best is not None
        assert (top.best, top.best_id, top.sigma) == (-best.best, best.best_id, best.sigma)
        assert [i.score for i in b.incumbents()] == [-i.score for i in a.incumbents()]


async def test_its_sentences_and_events_have_its_own_numbers(
    toy: ModuleType, tmp_path: Path
) -> None:
    night = Night(toy, tmp_path, ACCURACY)
    experiments = await night.run()
    (baseline,) = night.said("measured")
    assert baseline.startswith("Baseline: self-reported accuracy -")
    kept = next(event for event in night.events if event.type == "kept")
    found = experiments[kept.data["id"]]
    assert f"#{found.id} kept, self-reported accuracy {kept.data['val_bpb']:.4f}: " in kept.sentence
    assert ": +0." in found.reason
    assert "(+" in found.reason
    ended = next(e for e in night.events if e.type == "ended" and e.data["id"] == found.id)
    assert (ended.data["val_bpb"], ended.data["delta"]) == (found.val_bpb, found.delta)
    assert f"accuracy {found.val_bpb:.4f} ({found.delta:+.4f})" in ended.sentence
    assert "self-reported" not in ended.sentence  # once where it matters, not in every line
    assert not any("bpb" in event.sentence for event in night.events if event.type != "opened")


@pytest.mark.parametrize("scale", [-3.0, 1e7, 2e-9])
async def test_the_unit_of_a_metric_decides_nothing(
    toy: ModuleType, tmp_path: Path, scale: float
) -> None:
    """A score that is multiplied by -1 is worse the better it was; by anything else, the same."""
    metric = Metric("points", "min", self_reported=True)
    plain = await Night(toy, tmp_path / "plain", metric, 1.0 if scale > 0 else -1.0).run()
    scaled = await Night(toy, tmp_path / "scaled", metric, scale).run()
    assert decided(scaled) == decided(plain)


def test_a_gain_is_told_as_the_metric_counts_it() -> None:
    def add(kind: Any, sha: str, score: float) -> None:
        runs.append(record(len(runs), kind, "discard", sha, -score))

    runs: list[Experiment] = []
    add("baseline", "base", 0.80)
    for score in (0.81, 0.79, 0.80, 0.805, 0.795):
        add("replicate", "base", score)
    add("candidate", "new", 0.95)
    candidate = runs[-1]
    for score in (0.95, 0.951):
        add("confirmation", "new", score)
    for score in (0.80, 0.801):
        add("replicate", "base", score)
    incumbent = Incumbent(seq=1, epoch_id=1, experiment_id=0, since="", score=-0.8, sigma=0.01)
    verdict = judge(candidate, Runs(runs, 1, 0.01), incumbent, "base", Acceptance(), WORDS)
    assert verdict.action == "promote"
    assert verdict.reason.startswith("confirmed by 2 fresh runs: +0.1504 (+")
    assert verdict.score == pytest.approx(-0.9505)
    bpb = judge(candidate, Runs(runs, 1, 0.01), incumbent, "base", Acceptance())
    assert bpb.reason == verdict.reason.replace("+", "-")


def test_a_drift_is_told_as_the_metric_counts_it() -> None:
    drift = Drift(3, 4, 9, shift=-0.25, sigma=0.05, before=8, after=4)
    assert "moved by -0.2500 (5.0 sigma) since #3" in drift.told()
    assert "moved by +0.250 (5.0 sigma) since #3" in drift.told(WORDS, beside=-87.5)


@pytest.mark.parametrize(
    ("best", "stops", "used"), [(-0.85, False, 0.5), (-0.9, True, 1.0), (-0.7, False, 0.0)]
)
def test_a_target_is_in_the_metrics_direction(best: float, stops: bool, used: float) -> None:
    limits = validate({"target": COMMAND, "limits": {"target_bpb": 0.9}}).limits
    facts = Facts(experiments=9, after_baseline=6, hours=1, disk_free_gb=99, first=-0.8, best=best)
    readings = {reading.name: reading for reading in consult(criteria(limits, words=WORDS), facts)}
    reading = readings["target"]
    assert (reading.stop, reading.used) == (stops, pytest.approx(used))
    assert reading.sentence == f"the incumbent scores {-best:.4f}; 0.9 is the target"


def test_a_target_may_be_any_number_of_another_metric_but_only_some_bits_per_byte() -> None:
    for target in (-12.5, 0.0, 1e9):
        tables = {"target": COMMAND, "limits": {"target_bpb": target}}
        assert validate(tables).limits.target_bpb == target
        if target <= 0:
            with pytest.raises(SettingsError, match=r"limits\.target_bpb = .* greater than 0"):
                validate({"limits": {"target_bpb": target}})
    with pytest.raises(SettingsError, match=r"limits\.target_bpb"):
        validate({"target": COMMAND, "limits": {"target_bpb": float("inf")}})


def test_the_metric_of_settings_is_val_bpb_unless_a_command_prints_it() -> None:
    table = {"name": "accuracy", "direction": "max"}
    assert metric_of(validate({"metric": table, "target": COMMAND})) == ACCURACY
    assert metric_of(validate({})) == VAL_BPB


def curve(score: float, seed: int) -> list[tuple[float, float]]:
    """Losses that end the lower the higher the score."""
    dice = np.random.default_rng(seed)
    return [
        (n / 100, 4 - 3 * score + 0.4 * (n / 100) ** -0.5 + 0.02 * float(dice.standard_normal()))
        for n in range(1, 100)
    ]


def test_an_abort_is_told_as_the_metric_counts_it() -> None:
    settings = SelfEvaluationSettings(audit=1e-9)
    evaluation = SelfEvaluation(settings, Budget(100, "steps"), 5, words=WORDS)
    dice = np.random.default_rng(1)
    for number in range(40):
        score = 0.8 - 0.05 * abs(float(dice.standard_normal()))
        watch = evaluation.watch(number, -0.8, is_candidate=False)
        for point in curve(score, number):
            watch.report(*point)
        seen = watch.finish()
        assert seen is not None
        evaluation.learn(Ended(str(number), -score, seen))
    watch = evaluation.watch(100, -0.8, is_candidate=True)
    reasons = [watch.report(*point) for point in curve(0.3, 100)]
    reason = next(filter(None, reasons))
    assert reason.endswith("threshold 0.8000")
    assert "forecast 0." in reason
    away = evaluation.watch(101, None, is_candidate=True)
    for point in [*curve(0.5, 1)[:30], (0.4, 90.0)]:
        said = away.report(*point)
    assert said == "diverged: the loss is 90.00 at 40% of the budget"  # who knows in what


async def test_who_is_notified_gets_the_metrics_number_and_that_nobody_checked_it(
    tmp_path: Path,
) -> None:
    study = NewStudy(
        name="night",
        seed=1,
        target_name="train.py",
        policy="local",
        target_kind="command",
        metric="accuracy",
        direction="max",
    )
    night = tmp_path / "told"
    async with Store.create(StudyFolder(tmp_path / "study"), study) as store:
        await measured(store)
        async with anyio.create_task_group() as tasks:
            variables = "$ARL_SCORE $ARL_METRIC $ARL_DIRECTION $ARL_SELF_REPORTED"
            command = f'echo "{variables}" >> {night}'
            notifier = Notifier(command, store, tasks, lambda event: None)
            notifier.announce(EngineEvent("finished", "Finished."))
    assert night.read_text() == "0.75 accuracy max 1\n"


async def measured(store: Store) -> None:
    """A baseline of 0.75."""
    await store.add_epoch(
        NewEpoch(
            environment_digest="d",
            budget=1.0,
            clock="wall",
            device_model="CPU",
            torch_version="",
            environment={"command": "python train.py", "frozen": [], "sandbox": []},
        )
    )
    await store.enqueue(NewExperiment(kind="baseline", source="A = 1\n", seed=1), operation=None)
    await store.start(0, slot=0, device="cpu")
    await store.finish(0, Outcome(status="keep", val_bpb=-0.75), operation="observe")
    await store.set_incumbent(0, score=-0.75, sigma=None)


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.integers(1, 60))
def test_equal_scores_have_no_noise_and_show_no_drift(score: float, count: int) -> None:
    assert mean([score] * count) == score
    kinds = ["baseline", *["sentinel"] * (count - 1)]
    all_ = [record(n, kind, "keep", "a", score) for n, kind in enumerate(kinds)]  # type: ignore[arg-type]
    runs = Runs(all_, 1, 0.01)
    noise = runs.noise()
    assert noise is None or noise.sigma == 0
    assert not runs.drifts
    assert runs.suspected("a") == 0


async def test_of_a_script_that_is_not_random_every_gain_is_kept_and_nothing_else(
    toy: ModuleType, tmp_path: Path
) -> None:
    class Certain(Night):
        def trial(self, request: TrialRequest) -> TrialResult:
            values = {site.name: site.value for site in find_sites(request.source)}
            score = -0.1 - 0.7 * values["DEPTH"] / 300  # higher with depth; the rest has no effect
            return TrialResult("scored", val_bpb=score, seconds=5.0, steps=5)

    night = Certain(toy, tmp_path, ACCURACY)
    experiments = await night.run(40)
    candidates = [e for e in experiments if e.kind == "candidate"]
    kept = [e for e in candidates if e.status == "keep"]
    assert kept
    best = experiments[0].val_bpb
    for one in candidates:
        assert one.val_bpb is not None
        assert best is not None
        if one.delta == 0:
            assert one.status == "discard"
        if one.status == "keep":
            assert one.val_bpb > best
            best = one.val_bpb
    assert any(e.delta == 0 for e in candidates)
    with Watcher(night.folder) as watcher:
        assert watcher.status().sigma == 0
        assert not watcher.events(type_="drift")
