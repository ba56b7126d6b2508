"""A bench of policies: the climb, its statistics, workers, real training, and resuming."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.bench_journal import Journal
from engine.bench_plot import draw
from engine.bench_report import costs, counts, paired, rows, shares_won
from engine.decisions import BaselineFailed, trial_seed
from engine.epochs import EpochChanged
from engine.executor import Budget, Slot, TrialRequest, TrialResult
from engine.in_process import InProcessExecutor
from engine.policy_bench import BenchError, StudyRecord, contestants, run_study, study_seeds
from engine.real_bench import CONFIRM_FROM, RealBench, RealPlan
from engine.simulated_bench import Task, plan, run_tasks
from policy import Outcome

SLOTS = tuple(Slot(number, "cpu", 1, 1 << 30) for number in range(2))


def record(policy: str, seed: int, *curve: float, span: float | None = 10.0) -> StudyRecord:
    """A study in which the curve went so."""
    return StudyRecord(
        policy=policy,
        problem="toy",
        seed=seed,
        curve=curve,
        span=span,
        statuses={"discard": len(curve) - 2, "oom": 1},
        exhausted_after=None,
        ask_seconds=0.5,
        tell_seconds=0.0,
    )


def timeless(records: Sequence[StudyRecord]) -> list[StudyRecord]:
    """The records without what a clock measured."""
    return [replace(r, ask_seconds=0.0, tell_seconds=0.0) for r in records]


class TestContestants:
    def test_options_are_json_or_text(self) -> None:
        a, b, c = contestants(["ppo:online=false:rate=1e-3:layers=[1,2]:url=http://x:80", "a-b, c"])
        options = {"online": False, "rate": 0.001, "layers": [1, 2], "url": "http://x:80"}
        assert (a.name, a.options) == ("ppo", options)
        assert a.label.startswith("ppo:online=false")
        assert (b.label, b.options, c.name) == ("a-b", {}, "c")

    @pytest.mark.parametrize(
        "texts", [["local,local"], ["local", "local"], ["local,"], [""], ["1"]]
    )
    def test_nonsense_is_refused(self, texts: list[str]) -> None:
        with pytest.raises(BenchError, match=r"named twice|names no policy"):
            contestants(texts)

    def test_benches_of_other_seeds_share_no_study(self) -> None:
        assert len({*study_seeds(0, 10_000), *study_seeds(1, 10_000)}) == 20_000


class TestClimb:
    def test_the_curve_is_the_truth_of_the_lowest_score(self, problems: ModuleType) -> None:
        problem = problems.make_study(1, "wide")
        seen: list[str] = []

        class Watched:
            source, baseline, sigma, best = problem.source, problem.baseline, problem.sigma, 2.0
            truth = problem.truth

            def run(self, source: str, repetition: int) -> Outcome:
                seen.append(source)
                outcome: Outcome = problem.run(source, repetition)
                return outcome

        (random,) = contestants(["random"])
        found = run_study(random, Watched(), "wide", 1, 40)
        assert len(seen) == 41
        assert seen[0] == problem.source
        scores = [problem.run(source, 0).val_bpb for source in seen]
        for after in range(41):
            tried = [(s, n) for n, s in enumerate(scores[: after + 1]) if s is not None]
            incumbent = seen[min(tried)[1]]
            truth = (problem.truth(incumbent) - problem.baseline) / problem.sigma
            assert found.curve[after] == pytest.approx(truth)
        kept = sum(
            s is not None and s < min(b for b in scores[:n] if b is not None)
            for n, s in enumerate(scores)
            if n
        )
        assert found.statuses["keep"] == kept > 0
        assert found.statuses["oom"] == sum(score is None for score in scores) > 0
        assert sum(found.statuses.values()) == 40

    def test_regret_is_the_share_of_the_gain_that_is_left(self) -> None:
        assert record("a", 0, 0.0, -2.5, -10.0).regret(0) == 1.0
        assert record("a", 0, 0.0, -2.5, -10.0).regret(1) == 0.75
        assert record("a", 0, 0.0, -2.5, -10.0).regret(2) == 0.0
        # Where hardly anything can be gained, a tenth of sigma is a tenth, not everything.
        assert record("a", 0, 0.0, 0.5, span=0.1).regret(1) == pytest.approx(0.6)
        assert record("a", 0, 0.0, 0.5, span=None).regret(1) is None

    def test_an_exhausted_policy_stays_where_it_is(self, problems: ModuleType) -> None:
        (local,) = contestants(["local"])
        found = run_study(local, problems.make_tiny(1, "any"), "any", 1, 12)
        assert found.exhausted_after == 1
        assert len(found.curve) == 13
        assert found.curve[1:] == pytest.approx([-4.0] * 12)
        assert found.statuses == {"keep": 1}
        (cost,) = costs([found], ["local"])
        assert (cost.experiments, cost.exhausted, cost.failed) == (1, 1, 0.0)

    def test_a_baseline_that_fails_is_said(self, problems: ModuleType) -> None:
        problem = replace(
            problems.make_study(1, "wide"), source=problems.SOURCE.replace("64", "512")
        )
        with pytest.raises(BenchError, match="baseline of study 1 ended as oom"):
            run_study(contestants(["local"])[0], problem, "wide", 1, 3)


class TestReport:
    def test_the_usual_counts_and_the_last(self) -> None:
        assert counts(7) == (7,)
        assert counts(50) == (10, 25, 50)
        assert counts(120) == (10, 25, 50, 100, 120)

    def test_a_paired_test_by_hand(self) -> None:
        # Differences -2, 1, -3, -4: mean -2, sd sqrt(14 / 3), t(3) at 97.5 % is 3.182446.
        found = paired([8.0, 4.0, 2.0, 1.0], [10.0, 3.0, 5.0, 5.0])
        half = 3.182446305 * math.sqrt(14 / 3) / 2
        assert found.difference == -2.0
        assert found.low == pytest.approx(-2 - half)
        assert found.high == pytest.approx(-2 + half)
        # Ranks of the sizes: 2, 1, 3, 4; the positive ones add up to 1. Of the 16 signs, those of
        # no rank and of rank 1 alone reach that: 2 sides * 2 / 16.
        assert found.p == pytest.approx(0.25)

    def test_too_little_to_test(self) -> None:
        assert paired([1.0], [2.0]) == paired([0.0], [1.0])
        assert (paired([1.0], [2.0]).low, paired([1.0], [2.0]).p) == (None, None)
        same = paired([1.0, 2.0], [1.0, 2.0])
        assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)

    def test_ties_are_shared(self) -> None:
        won = shares_won([[1.0, 2.0, 3.0], [1.0, 1.0, 3.0], [2.0, 3.0, 3.0]])
        assert won == pytest.approx([(1 / 2 + 1 / 3) / 3, (1 / 2 + 1 + 1 / 3) / 3, 1 / 9])

    def test_rows_pair_by_study_and_compare_regret(self) -> None:
        # In the second study twice as much can be gained.
        first = [record("a", 1, 0.0, -5.0), record("a", 2, 0.0, -5.0, span=20.0)]
        other = [record("b", 2, 0.0, -10.0, span=20.0), record("b", 1, 0.0, -5.0)]
        a, b = rows([*first, *other], ["a", "b"], 1)
        assert (a.policy, a.after, a.studies, a.against_first) == ("a", 1, 2, None)
        assert (a.mean, a.median, a.sd) == (-5.0, -5.0, 0.0)
        assert (b.mean, b.sd) == (-7.5, pytest.approx(5 / math.sqrt(2)))
        assert (a.regret, b.regret) == (0.625, 0.5)
        assert (a.won, b.won) == (0.25, 0.75)
        assert b.against_first is not None
        assert b.against_first.difference == -0.125

    def test_real_scores_are_compared_as_they_are_and_again(self) -> None:
        runs = {"reruns": 2, "span": None}
        a = [replace(record("a", n, 2.4, 2.0), **runs, confirmed=(2.1, 2.3)) for n in (1, 2)]
        b = [replace(record("b", n, 2.4, 2.2), **runs) for n in (1, 2)]
        b[0] = replace(b[0], confirmed=(2.25,))
        best_a, best_b, again_a, again_b = rows([*a, *b], ["a", "b"], 1)
        assert (best_a.mean, best_a.regret, best_b.mean) == (2.0, None, 2.2)
        # All fresh runs of b failed in the second study: it is left out for both.
        assert (again_a.after, again_a.studies, again_a.mean) == (None, 1, pytest.approx(2.2))
        assert (again_b.mean, again_b.won) == (2.25, 0.0)
        assert costs([*a, *b], ["b"])[0].reruns_failed == 3

    def test_costs_add_up(self) -> None:
        (cost,) = costs([record("a", n, 0.0, 0.0, 0.0, 0.0, 0.0) for n in range(3)], ["a"])
        assert (cost.experiments, cost.failed) == (12, 0.25)
        assert cost.statuses == {"discard": 9, "oom": 3}
        assert cost.asks_per_second == 8.0
        assert cost.tells_per_second is None

    def test_the_picture_is_a_png(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        some = [record(name, n, 0.0, -n) for name in "ab" for n in (1, 2)]
        draw(some, ["a", "b"], tmp_path / "curves")
        assert (tmp_path / "curves").read_bytes().startswith(b"\x89PNG")


class TestSimulated:
    def tasks(self, experiments: int = 8) -> list[Task]:
        entered = contestants(["local,adaptive"])
        return plan(entered, ("narrow", "wide"), study_seeds(3, 3), experiments)

    def test_families_take_turns(self) -> None:
        found = [(task.contestant.label, task.family, task.seed - 10**9) for task in self.tasks()]
        assert found[:3] == [
            ("local", "narrow", 30_000),
            ("adaptive", "narrow", 30_000),
            ("local", "wide", 30_001),
        ]

    def test_workers_change_nothing(self, problems: ModuleType) -> None:
        def run(workers: int) -> list[StudyRecord]:
            with Journal(None, {}) as journal:
                return run_tasks(
                    self.tasks(), journal, done.append, workers=workers, make=problems.make_study
                )

        done: list[StudyRecord] = []
        alone = run(1)
        assert timeless(run(2)) == timeless(alone)
        assert [r.policy for r in alone] == ["local", "adaptive"] * 3
        assert len(done) == 12

    def test_an_error_in_a_worker_is_the_callers(self, problems: ModuleType) -> None:
        tasks = self.tasks()[:3]
        tasks[2] = replace(tasks[2], family="nowhere")
        with Journal(None, {}) as journal, pytest.raises(KeyError, match="nowhere"):
            run_tasks(tasks, journal, lambda r: None, workers=2, make=problems.make_study)

    def test_an_interrupted_bench_goes_on(self, problems: ModuleType, tmp_path: Path) -> None:
        path = tmp_path / "bench.jsonl"

        def run(interrupt_after: int | None = None) -> list[StudyRecord]:
            made.clear()

            def finished(record: StudyRecord) -> None:
                made.append(record.policy)
                if len(made) == interrupt_after:
                    raise KeyboardInterrupt

            with Journal(path, {"target": "simulated"}) as journal:
                return run_tasks(self.tasks(), journal, finished, make=problems.make_study)

        made: list[str] = []
        with pytest.raises(KeyboardInterrupt):
            run(interrupt_after=4)
        with path.open("ab") as file:
            file.write(b'{"kind": "study", "poli')  # cut by a kill
        known = len(path.read_bytes().splitlines()) - 2
        assert known == 4
        records = run()
        with Journal(None, {}) as journal:
            whole = run_tasks(self.tasks(), journal, lambda record: None, make=problems.make_study)
        assert timeless(records) == timeless(whole)
        assert len(path.read_bytes().splitlines()) == 7
        assert run() == records  # nothing is run, and even the times are the same
        assert len(path.read_bytes().splitlines()) == 7


class TestJournal:
    def test_another_file_is_left_alone(self, tmp_path: Path) -> None:
        for text in ("notes", "notes\n", "[1]\n", '{"kind": "bench"}\n'):
            path = tmp_path / "notes.txt"
            path.write_text(text)
            with pytest.raises(BenchError, match="is not the resume file"):
                Journal(path, {})
            assert path.read_text() == text

    def test_a_broken_line_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "bench.jsonl"
        Journal(path, {}).close()
        with path.open("a") as file:
            file.write('{"kind": "study"}\n')
        with pytest.raises(BenchError, match="line 2 is broken"):
            Journal(path, {})

    def test_other_conditions_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "bench.jsonl"
        Journal(path, {"budget": 20.0, "clock": "cpu"}).close()
        with pytest.raises(EpochChanged, match=r"budget was 20\.0 and is 30\.0\. Restore"):
            Journal(path, {"budget": 30.0, "clock": "cpu"})
        with Journal(path, {"budget": 20.0, "clock": "cpu"}) as journal:
            assert journal.warning == ""

    def test_other_code_is_mentioned(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "bench.jsonl"
        Journal(path, {}).close()
        monkeypatch.setattr("engine.bench_journal.code_digest", lambda: "another")
        with Journal(path, {}) as journal:
            assert "other code" in journal.warning

    def test_one_bench_at_a_time(self, tmp_path: Path) -> None:
        path = tmp_path / "bench.jsonl"
        with Journal(path, {}), pytest.raises(BenchError, match="in use by another bench"):
            Journal(path, {})
        Journal(path, {}).close()

    def test_no_place_to_write(self, tmp_path: Path) -> None:
        with pytest.raises(BenchError, match="No such file or directory"):
            Journal(tmp_path / "nowhere" / "bench.jsonl", {})


Train = Callable[[TrialRequest], TrialResult]


@pytest.mark.anyio
class TestReal:
    """Real benches, with a function instead of training."""

    @pytest.fixture
    def requests(self) -> list[TrialRequest]:
        return []

    @pytest.fixture
    def train(self, toy: ModuleType, requests: list[TrialRequest]) -> Train:
        def trial(request: TrialRequest) -> TrialResult:
            requests.append(request)
            result: TrialResult = toy.trial(request)
            return result

        return trial

    async def run(
        self,
        toy: ModuleType,
        train: Train,
        path: Path | None = None,
        slots: int = 1,
        **changes: Any,
    ) -> list[StudyRecord]:
        chosen = RealPlan(
            entered=contestants(["local,adaptive"]),
            target=toy.TARGET,
            name="toy",
            seeds=study_seeds(0, 2),
            experiments=6,
            reruns=2,
        )
        chosen = replace(chosen, **changes)
        with Journal(path, {}) as journal:
            executor, budget = InProcessExecutor(train), Budget(5, "steps")
            bench = RealBench(
                chosen, executor, SLOTS[:slots], budget, journal, lambda text, units: None
            )
            return await bench.run()

    async def test_policies_share_baseline_and_seeds(
        self, toy: ModuleType, train: Train, requests: list[TrialRequest]
    ) -> None:
        records = await self.run(toy, train)
        assert [(r.policy, r.seed - 10**9) for r in records] == [
            ("local", 0),
            ("adaptive", 0),
            ("local", 1),
            ("adaptive", 1),
        ]
        baselines = [r for r in requests if r.source == toy.TARGET and r.seed in self.seeds(0)]
        assert len(baselines) == 2
        local, adaptive = records[:2]
        assert local.curve[0] == adaptive.curve[0] == train(baselines[0]).val_bpb
        for number in range(1, 7):
            assert sum(r.seed in self.seeds(number) for r in requests) == 4
        for record in records:
            assert list(record.curve) == sorted(record.curve, reverse=True)
            assert record.span is None
            assert len(record.confirmed) == 2
            assert record.reruns == 2
        again = [r for r in requests if r.seed in self.seeds(CONFIRM_FROM)]
        best = {train(replace(r, seed=trial_seed(10**9, CONFIRM_FROM))).val_bpb for r in again}
        assert local.confirmed[0] in best

    def seeds(self, number: int) -> set[int]:
        """The training seeds of an experiment in both studies."""
        return {trial_seed(seed, number) for seed in study_seeds(0, 2)}

    async def test_slots_change_nothing(self, toy: ModuleType, train: Train) -> None:
        assert timeless(await self.run(toy, train, slots=2)) == timeless(await self.run(toy, train))

    async def test_a_killed_bench_loses_one_training(
        self, toy: ModuleType, train: Train, requests: list[TrialRequest], tmp_path: Path
    ) -> None:
        whole = await self.run(toy, train)
        trained = len(requests)
        path = tmp_path / "bench.jsonl"
        lost = 0
        for dies_at in (3, 4, 9, None):
            requests.clear()

            def dying(request: TrialRequest, dies_at: int | None = dies_at) -> TrialResult:
                result = train(request)
                if len(requests) == dies_at:
                    raise OSError("killed")
                return result

            try:
                records = await self.run(toy, dying, path)
            except ExceptionGroup:
                lost += 1
            trained -= len(requests)
        assert lost == 3
        assert trained == -lost
        assert timeless(records) == timeless(whole)
        requests.clear()
        assert await self.run(toy, train, path) == records
        assert not requests

    async def test_more_experiments_go_on_from_fewer(
        self, toy: ModuleType, train: Train, requests: list[TrialRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "bench.jsonl"
        await self.run(toy, train, path, reruns=0)
        requests.clear()
        records = await self.run(toy, train, path, reruns=0, experiments=9)
        assert len(requests) == 4 * 3
        assert timeless(records) == timeless(await self.run(toy, train, reruns=0, experiments=9))

    async def test_a_policy_that_answers_otherwise_is_told_what_was_run(
        self, toy: ModuleType, train: Train, requests: list[TrialRequest], tmp_path: Path
    ) -> None:
        path = tmp_path / "bench.jsonl"
        records = await self.run(toy, train, path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [line for line in lines if line["kind"] != "study"]
        for line in kept:
            if line["kind"] == "trial":
                line["proposal"]["source"] += "# as it was answered then\n"
        path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        requests.clear()
        again = await self.run(toy, train, path, reruns=0)
        assert not requests
        assert [r.curve for r in again] == [r.curve for r in records]

    async def test_a_failed_baseline_ends_the_bench_and_is_tried_again(
        self, toy: ModuleType, train: Train, tmp_path: Path
    ) -> None:
        path = tmp_path / "bench.jsonl"
        with pytest.raises(ExceptionGroup) as caught:
            await self.run(toy, lambda request: TrialResult("oom"), path)
        assert isinstance(caught.value.exceptions[0], BaselineFailed)
        assert len(await self.run(toy, train, path)) == 4
