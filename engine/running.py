"""What runs in the slots: trials from their start to their result, and who hears of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.curve_watch import Watch
from engine.events import Announce, EngineEvent
from engine.executor import (
    Budget,
    CurvePoint,
    Executor,
    Job,
    Listener,
    Slot,
    TrialRequest,
    TrialResult,
)
from engine.faults import fault_point
from engine.publisher import Publisher
from engine.selfeval import SelfEvaluation
from state.present import Phase
from state.records import Evaluation, Experiment, Process
from state.store import Store


class Underway:
    """An experiment that has been started."""

    def __init__(
        self,
        job: Job,
        waited: Mapping[str, float],
        ended: Callable[[], None],
        seen: Callable[[TrialResult], Evaluation | None],
    ) -> None:
        """`waited`: what its slot did before it, in seconds. `ended` is called at its end.

        `seen` tells what self-evaluation saw of it, given its result.
        """
        self._job = job
        self._waited = waited
        self._ended = ended
        self._seen = seen

    async def trained(self) -> bool:
        """Wait until its slot is free; whether it has still to be scored."""
        return await self._job.trained()

    async def result(self) -> TrialResult:
        """Wait for the end."""
        try:
            result = await self._job.result()
            seen = self._seen(result)
        finally:
            self._ended()
        return replace(result, timing={**self._waited, **result.timing}, evaluation=seen)


class Running:
    """Starts trials and knows those that run."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        budget: Budget,
        announce: Announce,
        publisher: Publisher,
        evaluation: SelfEvaluation,
        on_training: Callable[[Slot], None],
    ) -> None:
        """`on_training` is called when a slot's trial has got its data, and its clock runs."""
        self._store = store
        self._executor = executor
        self._budget = budget
        self._announce = announce
        self._publisher = publisher
        self._evaluation = evaluation
        self._on_training = on_training
        self._jobs: dict[int, Job] = {}
        self._watches: dict[int, Watch] = {}
        self._training: set[int] = set()
        self._interrupting = False

    def interrupt(self) -> None:
        """End what runs, and what is started from now on."""
        self._interrupting = True
        for job in self._jobs.values():
            job.cancel()

    def end_stalled(self) -> None:
        """Abort the candidates that used to report and have fallen silent."""
        if self._budget.clock == "steps":
            return  # there what happens must not depend on the time; the wall cap ends them
        for experiment_id in tuple(self._training):
            reason = self._watches[experiment_id].stalled()
            if reason is not None:
                # No verdict on the candidate's loss: a machine that hangs does the same.
                self._jobs[experiment_id].abort(reason, "timeout")

    async def start(self, experiment: Experiment, slot: Slot) -> Underway:
        """Record that an experiment runs, and start it."""
        await self._evaluation.learnt()
        incumbent = await self._store.incumbent()
        best, incumbent_sha = None, ""
        if incumbent is not None:
            best = incumbent.score
            incumbent_sha = (await self._store.experiment(incumbent.experiment_id)).source_sha
        source = await self._store.source(experiment.source_sha)
        fault_point("before-start")
        attempt = await self._store.start(experiment.id, slot=slot.number, device=slot.device)
        fault_point("started")
        data = {"id": experiment.id, "kind": experiment.kind, "attempt": attempt}
        what = f": {experiment.summary}" if experiment.summary else ""
        self._announce(
            EngineEvent(
                "started",
                f"#{experiment.id} {experiment.kind}{what}",
                data | {"device": slot.device, "edit": experiment.summary},
            )
        )
        request = TrialRequest(
            experiment.id,
            attempt,
            source,
            experiment.seed,
            self._budget,
            slot,
            # Runs that a promotion compares; a candidate's own score is for the search alone.
            sealed=experiment.kind != "candidate",
        )
        waited = self._publisher.waited(slot)

        def watch() -> Watch:
            is_candidate = experiment.kind == "candidate"
            return self._evaluation.watch(
                experiment.id, best, is_candidate=is_candidate, incumbent_sha=incumbent_sha
            )

        listener = self._listener(experiment.id, slot, data, watch)
        job = await self._executor.submit(request, listener)
        self._jobs[experiment.id] = job
        if self._interrupting:
            job.cancel()

        def ended() -> None:
            del self._jobs[experiment.id]
            self._watches.pop(experiment.id, None)
            self._training.discard(experiment.id)
            self._publisher.ended(experiment.id)

        def seen(result: TrialResult) -> Evaluation | None:
            found = self._watches.get(experiment.id)
            if found is None:
                return None  # it was ended before it had begun
            return found.finish() if result.status == "scored" else found.evaluation()

        return Underway(job, waited, ended, seen)

    def _listener(
        self,
        experiment_id: int,
        slot: Slot,
        data: Mapping[str, object],
        watch: Callable[[], Watch],
    ) -> Listener:
        async def on_process(process: Process) -> None:
            await self._store.attach(experiment_id, process)

        def on_phase(phase: Phase) -> None:
            self._publisher.phase(experiment_id, slot, phase)
            self._announce(EngineEvent("phase", phase, {**data, "phase": phase}))
            if phase == "starting":
                self._watches[experiment_id] = watch()  # what memory stopped trains once more
            self._training.discard(experiment_id)
            if phase == "training":
                self._training.add(experiment_id)
                self._on_training(slot)

        def on_report(point: CurvePoint) -> None:
            self._publisher.report(experiment_id, point)
            self._evaluate(experiment_id, point)
            report = {"progress": point.progress, "step": point.step, "loss": point.loss}
            self._announce(EngineEvent("report", "", {**data, **report}))

        return Listener(on_process, on_phase, on_report)

    def _evaluate(self, experiment_id: int, point: CurvePoint) -> None:
        watch = self._watches[experiment_id]
        before = watch.look
        reason = watch.report(point.progress, point.loss)
        if watch.look is not None and watch.look is not before:
            self._publisher.expects(experiment_id, watch.look)
        if reason is not None:
            self._jobs[experiment_id].abort(reason)
