"""Supervised studies: which candidates may run, and what a person says about the others.

The caller holds the engine's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from anyio import to_thread

from engine.events import Announce, EngineEvent
from engine.faults import fault_point
from engine.researcher import Researcher
from engine.settings import Review
from state.errors import StoreError
from state.present import Decider
from state.records import Experiment
from state.store import Store
from target import gate


class Refused(Exception):
    """A verdict that cannot be given; one sentence for people."""


class ReviewDesk:
    """The candidates that wait for a person, if the study is supervised."""

    def __init__(
        self,
        store: Store,
        researcher: Researcher,
        settings: Review,
        announce: Announce,
        supervised: bool,
    ) -> None:
        self._store = store
        self._researcher = researcher
        self._settings = settings
        self._announce = announce
        self.supervised = supervised

    @classmethod
    async def open(
        cls, store: Store, researcher: Researcher, settings: Review, announce: Announce
    ) -> ReviewDesk:
        """The desk as it was left, or as the settings ask."""
        supervised = (await store.study()).supervised
        if settings.supervised is not None and settings.supervised != supervised:
            supervised = settings.supervised
            await store.set_supervised(supervised)
        return cls(store, researcher, settings, announce, supervised)

    async def supervise(self, supervised: bool) -> None:
        """From now on candidates wait for a person, or do not."""
        if supervised == self.supervised:
            return
        await self._store.set_supervised(supervised)
        self.supervised = supervised
        sentence = (
            "Supervised: each candidate waits for a person."
            if supervised
            else "Not supervised any more: candidates run as they come."
        )
        self._announce(EngineEvent("supervised", sentence, {"supervised": supervised}))

    async def runnable(self, queue: Sequence[Experiment]) -> list[Experiment]:
        """What may run of the queue. A candidate that nobody was asked about is asked about."""
        if not self.supervised:
            return list(queue)
        reviews = await self._store.reviews()
        may = []
        for experiment in queue:
            review = reviews.get(experiment.id)
            if experiment.kind != "candidate" or experiment.attempt > 0:
                may.append(experiment)  # a person has no say in what measures, or has begun
            elif review is None:
                await self._store.request_review(experiment.id)
                fault_point("review-requested")
                self._asked(experiment)
            elif review.verdict == "approve":
                may.append(experiment)
        return may

    async def waiting(self) -> int:
        """How many candidates wait for a verdict, or are to."""
        if not self.supervised:
            return 0
        reviews = await self._store.reviews()
        return sum(
            experiment.id not in reviews or reviews[experiment.id].verdict == "pending"
            for experiment in await self._candidates()
        )

    async def full(self, taken: Collection[int]) -> bool:
        """Whether enough candidates wait, for a verdict or for a slot, that none is added.

        What is `taken` by a slot waits no more.
        """
        waiting = [e for e in await self._candidates() if e.id not in taken]
        return self.supervised and len(waiting) >= self._settings.ahead

    async def approve(self, experiment_id: int, note: str = "", by: Decider = "person") -> None:
        """Let a candidate run. Raises Refused."""
        experiment = await self._candidate(experiment_id)
        if experiment.status != "queued" or experiment.attempt:
            if experiment.status in ("veto", "invalid"):
                raise Refused(f"#{experiment_id} has been vetoed already")
            return  # it runs, or has run: that is what was wanted
        review = (await self._store.reviews()).get(experiment_id)
        if review is not None and review.verdict == "approve" and review.note == note:
            return
        await self._store.approve(experiment_id, by=by, note=note)
        self._said(experiment, f"approved{_by(by)}", note)

    async def veto(self, experiment_id: int, note: str = "") -> None:
        """End a candidate before it runs, and let the policy learn that. Raises Refused."""
        experiment = await self._candidate(experiment_id)
        if experiment.status == "veto":
            return
        if experiment.status != "queued" or experiment.attempt:
            raise Refused(f"#{experiment_id} cannot be vetoed: it is {experiment.status} already")
        await self._store.veto(experiment_id, by="person", note=note)
        fault_point("vetoed")
        self._said(experiment, "vetoed", note)
        await self._researcher.learn(await self._store.experiment(experiment_id))

    async def amend(self, experiment_id: int, source: str) -> None:
        """Replace a candidate's source by a person's; it waits on. Raises Refused."""
        experiment = await self._candidate(experiment_id)
        if experiment.status != "queued" or experiment.attempt:
            raise Refused(f"#{experiment_id} cannot be amended: it is {experiment.status} already")
        assert experiment.parent_sha is not None
        parent = await self._store.source(experiment.parent_sha)
        if source == await self._store.source(experiment.source_sha):
            return
        if source == parent:
            raise Refused(f"without any edit, #{experiment_id} would be its parent again")
        sealed = (await self._store.study()).target_kind == "sealed"
        check = partial(gate.check, source, sealed=sealed, parent=parent)
        reason = await to_thread.run_sync(check)
        if reason is not None:
            raise Refused(f"the script cannot be used: {reason}")
        await self._researcher.amend(experiment, source)
        self._said(experiment, "amended", "")

    async def expire(self) -> bool:
        """Approve what has waited for as long as the settings allow; whether there was any."""
        limit = self._settings.auto_approve_seconds
        if limit is None or not self.supervised:
            return False
        oldest = datetime.now(UTC) - timedelta(seconds=limit)
        due = [
            review.experiment_id
            for review in (await self._store.reviews()).values()
            if review.verdict == "pending" and datetime.fromisoformat(review.requested_at) <= oldest
        ]
        for experiment_id in due:
            await self.approve(experiment_id, by="timer")
        return bool(due)

    async def _candidates(self) -> list[Experiment]:
        """Candidates that have not begun."""
        queue = await self._store.queue()
        return [e for e in queue if e.kind == "candidate" and e.attempt == 0]

    async def _candidate(self, experiment_id: int) -> Experiment:
        try:
            experiment = await self._store.experiment(experiment_id)
        except StoreError as error:
            raise Refused(str(error).rstrip(".")) from error
        if experiment.kind != "candidate":
            raise Refused(f"#{experiment_id} is a {experiment.kind}, which needs no review")
        return experiment

    def _asked(self, experiment: Experiment) -> None:
        sentence = f"#{experiment.id} waits for a review: {experiment.summary}"
        data = {"id": experiment.id, "edit": experiment.summary, "why": experiment.why}
        self._announce(EngineEvent("review", sentence, data))

    def _said(self, experiment: Experiment, what: str, note: str) -> None:
        sentence = f"#{experiment.id} {what}" + (f": {note}" if note else "")
        data = {"id": experiment.id, "verdict": what, "note": note}
        self._announce(EngineEvent("reviewed", sentence, data))


def _by(by: Decider) -> str:
    return " because nobody objected in time" if by == "timer" else ""
