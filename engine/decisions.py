"""What is decided and recorded between trials: proposals, outcomes, and the keep rule.

Each step reads the recorded experiments and commits its own transaction, so that after a crash
the same steps follow. The caller holds the engine's lock.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from anyio import to_thread

from engine.acceptance import judge, worth_confirming
from engine.contention_log import ContentionLog
from engine.drift import Drift
from engine.events import Announce, EngineEvent
from engine.executor import TrialResult
from engine.faults import fault_point
from engine.means import mean
from engine.researcher import Researcher
from engine.runs import Noise, Runs
from engine.score_words import ScoreWords
from engine.sealed import sealed_gain
from engine.sentinels import rerun_due
from engine.settings import Acceptance
from state.records import Experiment, Incumbent, Kind, NewExperiment, Operation, Outcome, Status
from state.store import Store

_FAILED: dict[str, Status] = {
    "abort": "abort",
    "crash": "crash",
    "timeout": "timeout",
    "oom": "oom",
    "invalid": "invalid",
}


class BaselineFailed(Exception):
    """The target as given does not train: there is nothing to improve on."""


class Decisions:
    """Fills the queue and concludes experiments."""

    def __init__(
        self,
        store: Store,
        researcher: Researcher,
        rule: Acceptance,
        seed: int,
        announce: Announce,
    ) -> None:
        self._store = store
        self._researcher = researcher
        self._rule = rule
        self._seed = seed
        self._announce = announce
        self._words = ScoreWords(store.metric)
        self._contention = ContentionLog(store, announce)

    async def propose(self) -> None:
        """Queue what the policy proposes. Raises policy.PolicyExhausted."""
        proposal = await self._researcher.ask()
        experiments = await self._store.experiments()
        parent_id = await self._parent_of(proposal.parent)
        seed = trial_seed(self._seed, len(experiments))
        queued = await self._researcher.enqueue(proposal, parent_id, seed)
        sentence = f"#{queued.id} proposed: {queued.summary}"
        data = {"id": queued.id, "edit": queued.summary, "why": queued.why}
        self._announce(EngineEvent("proposed", sentence, data))

    async def insight(self) -> dict[str, object]:
        """What the policy says of itself, for people."""
        return await to_thread.run_sync(self._researcher.insight)

    async def watch(self) -> bool:
        """Queue another run of the incumbent if one is due; whether it was."""
        incumbent = await self._store.incumbent()
        if incumbent is None:
            return False
        experiments = await self._store.experiments()
        reference = experiments[incumbent.experiment_id]
        runs = self._runs(experiments, incumbent.epoch_id)
        kind = rerun_due(runs, reference.source_sha, self._rule)
        if kind is None:
            return False
        await self._repeat(reference, kind, len(experiments))
        fault_point("watched")
        return True

    async def settle(self, may_enqueue: bool) -> None:
        """Apply the keep rule to every candidate that waits for its verdict."""
        for candidate in await self._store.untold():
            incumbent = await self._store.incumbent()
            if incumbent is None:
                return
            await self._settle(candidate, incumbent, may_enqueue)

    async def conclude(self, experiment: Experiment, result: TrialResult) -> None:
        """Record how a trial ended, at once, and let the policy learn it."""
        curve = [(point.progress, point.step, point.loss) for point in result.curve]
        name = f"#{experiment.id} {experiment.kind}"
        if result.status == "interrupted":
            await self._store.interrupt(experiment.id, result.reason, curve=curve, log=result.log)
            sentence = f"{name} interrupted: it will run again"
            self._announce(EngineEvent("interrupted", sentence, {"id": experiment.id}))
            return
        outcome, settled = await self._outcome(experiment, result)
        operation: Operation = "tell" if experiment.kind == "candidate" else "observe"
        await self._store.finish(
            experiment.id,
            outcome,
            curve=curve,
            log=result.log,
            operation=operation if settled else None,
            evaluation=result.evaluation,
        )
        fault_point("recorded")
        self._announce(_ended(name, experiment, outcome, self._words))
        await self._contention.note(experiment.id)
        if settled:
            await self._researcher.learn(await self._store.experiment(experiment.id))

    async def measure_epoch(self) -> bool:
        """Name the epoch's incumbent once its first runs have ended; False while they run.

        Later runs of the incumbent refine its score, and may reveal a drift, which is recorded.
        Raises BaselineFailed.
        """
        incumbent = await self._store.incumbent()
        if incumbent is not None:
            await self._refine(incumbent)
            return True
        epoch = (await self._store.epochs())[-1]
        experiments = await self._store.experiments()
        runs = self._runs(experiments, epoch.id)
        baseline = next((run for run in runs.all if run.kind == "baseline"), None)
        if baseline is not None and baseline.ended and baseline.val_bpb is None:
            # Its repeats would fail as it did, each after as long a time.
            raise BaselineFailed(f"the baseline ended as {baseline.status}: {baseline.reason}")
        if baseline is None or not all(run.ended for run in runs.all if run.kind != "candidate"):
            return False
        best, score = baseline, mean(runs.fresh(baseline.source_sha))
        for before in await self._store.incumbents():
            kept = experiments[before.experiment_id]
            again = runs.fresh(kept.source_sha)
            if again and mean(again) < score:
                best, score = kept, mean(again)
        noise = runs.noise()
        sigma = None if noise is None else noise.sigma
        await self._store.set_incumbent(best.id, score=score, sigma=sigma)
        await self._researcher.begin()
        words = self._words
        spread = "" if sigma is None else f", noise {words.spread(sigma, score)}"
        first = runs.fresh(baseline.source_sha)
        if words.metric.self_reported and len(first) > 1 and len(set(first)) == 1:
            spread += "; all runs scored the same, so that any gain counts: is a seed fixed?"
        self._announce(
            EngineEvent(
                "measured",
                f"Baseline: {words.marked(score)}{spread}",
                {"id": best.id, "val_bpb": words.raw(score), "sigma": sigma},
            )
        )
        return True

    async def _refine(self, incumbent: Incumbent) -> None:
        """Record drifts, and the incumbent's mean in the segment again when it was re-run."""
        experiments = await self._store.experiments()
        runs = self._runs(experiments, incumbent.epoch_id)
        if runs.drifts:
            known = {event.data["first_id"] for event in await self._store.events(type_="drift")}
            for drift in runs.drifts:
                if drift.first_id not in known:
                    await self._record(drift, incumbent.score)
        fresh = runs.fresh(experiments[incumbent.experiment_id].source_sha)
        if fresh and mean(fresh) != incumbent.score:
            await self._store.set_incumbent(
                incumbent.experiment_id, score=mean(fresh), sigma=_sigma(runs.noise())
            )

    async def _record(self, drift: Drift, score: float) -> None:
        sentence = drift.told(self._words, score)
        data = asdict(drift) | {"shift": self._words.raw(drift.shift)}
        await self._store.event("drift", drift.found_id, data | {"sentence": sentence})
        fault_point("drifted")
        self._announce(EngineEvent("drift", f"{sentence}.", data))

    def _runs(self, experiments: list[Experiment], epoch_id: int) -> Runs:
        return Runs(experiments, epoch_id, self._rule.drift)

    async def _settle(self, candidate: Experiment, incumbent: Incumbent, may: bool) -> None:
        experiments = await self._store.experiments()
        runs = self._runs(experiments, incumbent.epoch_id)
        reference = experiments[incumbent.experiment_id]
        words = self._words
        verdict = judge(candidate, runs, incumbent, reference.source_sha, self._rule, words)
        score = words.raw(verdict.score)
        data = {"id": candidate.id, "reason": verdict.reason, "val_bpb": score}
        if verdict.action == "confirm" and may:
            await self._repeat(candidate, "confirmation", len(experiments))
            return
        if verdict.action == "replicate" and may:
            await self._repeat(reference, "replicate", len(experiments))
            return
        if verdict.action == "promote" and verdict.score is not None:
            epoch, shas = incumbent.epoch_id, (candidate.source_sha, reference.source_sha)
            reason = verdict.reason + sealed_gain(experiments, epoch, *shas)
            await self._store.promote(
                candidate.id,
                score=verdict.score,
                sigma=_sigma(runs.noise()),
                reason=reason,
                operation="tell",
            )
            sentence = f"#{candidate.id} kept, {words.marked(verdict.score)}: {reason}"
            self._announce(EngineEvent("kept", sentence, data))
        elif verdict.action == "reject":
            await self._store.settle(candidate.id, operation="tell", reason=verdict.reason)
            sentence = f"#{candidate.id} discarded: {verdict.reason}"
            self._announce(EngineEvent("discarded", sentence, data))
        else:
            return
        fault_point("settled")
        await self._researcher.learn(await self._store.experiment(candidate.id))

    async def _repeat(self, subject: Experiment, kind: Kind, number: int) -> None:
        await self._store.enqueue(
            NewExperiment(
                kind=kind,
                source=await self._store.source(subject.source_sha),
                seed=trial_seed(self._seed, number),
                subject_id=subject.id,
                summary=f"repeats #{subject.id}",
            ),
            operation=None,
        )

    async def _outcome(self, experiment: Experiment, result: TrialResult) -> tuple[Outcome, bool]:
        """The outcome, and whether it is settled: a promising candidate is run again first."""
        status: Status = "discard"
        reason, delta, settled = result.reason, None, True
        incumbent = await self._store.incumbent()
        if result.val_bpb is None:
            status = _FAILED[result.status]
        elif incumbent is None:
            # Only baselines run before there is an incumbent; all but their re-runs are kept.
            status = "keep"
        else:
            experiments = await self._store.experiments()
            runs = self._runs(experiments, incumbent.epoch_id)
            sha = experiments[incumbent.experiment_id].source_sha
            # What was queued before a drift was found is compared with what ran then.
            segment = runs.segment_of(experiment.id)
            reference = runs.fresh(sha, segment) or runs.fresh(sha)
            delta = result.val_bpb - mean(reference or [incumbent.score])
            if experiment.kind == "candidate":
                settled = not worth_confirming(result.val_bpb, reference, runs.noise(), self._rule)
                reason = "no gain beyond the noise" if settled else "fresh runs are to confirm it"
            elif experiment.source_sha == sha:
                status = "keep"
        return _to_outcome(result, status, reason, delta), settled

    async def _parent_of(self, source: str) -> int:
        """The experiment whose source was edited: the incumbent, or an earlier one."""
        experiments = await self._store.experiments()
        incumbents = [i.experiment_id for i in await self._store.incumbents()]
        for experiment_id in reversed(incumbents):
            if await self._store.source(experiments[experiment_id].source_sha) == source:
                return experiment_id
        sha = hashlib.sha256(source.encode()).hexdigest()
        return next((e.id for e in experiments if e.source_sha == sha), 0)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of experiment `number`: 63 bits that depend on the study's seed alone."""
    digest = hashlib.blake2b(f"{study_seed}:{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _to_outcome(result: TrialResult, status: Status, reason: str, delta: float | None) -> Outcome:
    return Outcome(
        status=status,
        reason=reason,
        val_bpb=result.val_bpb,
        sealed_bpb=result.sealed_bpb,
        delta=delta,
        seconds=result.seconds,
        wall_seconds=result.wall_seconds,
        startup_seconds=result.startup_seconds,
        score_seconds=result.score_seconds,
        steps=result.steps,
        peak_memory_mb=result.peak_memory_mb,
        contention=result.contention,
        other_load=result.other_load,
        timing=dict(result.timing) or None,
    )


def _sigma(noise: Noise | None) -> float | None:
    return None if noise is None else noise.sigma


def _ended(name: str, experiment: Experiment, outcome: Outcome, words: ScoreWords) -> EngineEvent:
    data = {
        "id": experiment.id,
        "kind": experiment.kind,
        "status": outcome.status,
        "reason": outcome.reason,
        "val_bpb": words.raw(outcome.val_bpb),
        "delta": words.raw(outcome.delta),
        "seconds": outcome.seconds,
        "edit": experiment.summary,
    }
    score = outcome.val_bpb
    if score is None:
        return EngineEvent("ended", f"{name}: {outcome.status}, {outcome.reason}", data)
    delta = "" if outcome.delta is None else f" ({words.change(outcome.delta, score)})"
    why = f", {outcome.reason}" if outcome.reason else ""
    return EngineEvent("ended", f"{name}: {words.named(score)}{delta}{why}", data)
