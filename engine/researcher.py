"""The policy as the engine drives it: every ask and tell is recorded, so that a crash loses none.

The recorded order of asks and tells is the truth. The policy's state is saved as a file now and
then, with the last entry that it contains; at start the state is loaded and the later entries are
replayed on it. A policy that draws from (seed, proposal number) alone then goes on exactly.
"""

from __future__ import annotations

import json
from functools import partial
from typing import cast

from anyio import to_thread

import policy
from engine.faults import fault_point
from policy import Outcome, Policy, Proposal
from state import blobs
from state.records import Experiment, LogEntry, NewExperiment
from state.store import Store
from target.edit import Edit, describe

_STATES_KEPT = 3


class Researcher:
    """A policy, its outstanding proposals, and the record of what it was asked and told."""

    def __init__(self, store: Store, chosen: Policy, name: str) -> None:
        self._store = store
        self._policy = chosen
        self._name = name
        self._outstanding: dict[int, Proposal] = {}
        self._saved: list[str] = []  # the newest states' files; older ones may go

    @classmethod
    async def restore(
        cls, store: Store, name: str, source: str, seed: int, options: dict[str, object]
    ) -> Researcher:
        """The policy as the records left it, or a new one. Raises policy.PolicyError."""
        make = partial(policy.make, name, source, seed, **options)
        researcher = cls(store, await to_thread.run_sync(make), name)
        experiments = {e.id: e for e in await store.experiments()}
        log = await store.policy_log()
        first = min((e.id for e in experiments.values() if e.val_bpb is not None), default=None)
        begun = next((entry.seq for entry in log if entry.experiment_id == first), None)
        if begun is None:
            return researcher  # no baseline has trained: what was learnt is of a broken target
        saved = await store.latest_policy_state()
        if saved is not None and saved.log_seq < begun:
            saved = None
        after = begun - 1
        if saved is not None:
            after = saved.log_seq
            state = json.loads(blobs.read_blob(store.folder.policy, saved.sha256))
            researcher._policy.load_state_dict(state)
            researcher._saved.append(saved.sha256)
            before = [entry for entry in log if entry.seq <= after]
            await researcher._remember(experiments, before)
        for entry in log:
            if entry.seq > after:
                await researcher._replay(entry, experiments[entry.experiment_id])
        return researcher

    def state_dict(self) -> dict[str, object]:
        """The policy's whole state."""
        return self._policy.state_dict()

    async def ask(self) -> Proposal:
        """The policy's next proposal. The event loop goes on while it is thought of."""
        proposal = await to_thread.run_sync(self._policy.ask)
        fault_point("asked")
        return proposal

    async def enqueue(self, proposal: Proposal, parent_id: int, seed: int) -> Experiment:
        """Record a proposal as a queued candidate."""
        experiment_id = await self._store.enqueue(
            NewExperiment(
                kind="candidate",
                source=proposal.source,
                seed=seed,
                parent_id=parent_id,
                parent=proposal.parent,
                edit=json.loads(proposal.edit.to_json()),
                diff=proposal.diff,
                summary=describe(proposal.edit, proposal.parent),
                policy=self._name,
                proposal_number=proposal.number,
                log_prob=proposal.log_prob,
                why=proposal.why,
            ),
            operation="ask",
        )
        self._outstanding[experiment_id] = proposal
        fault_point("enqueued")
        return await self._store.experiment(experiment_id)

    async def learn(self, experiment: Experiment) -> None:
        """Tell or show the policy an outcome whose record is committed, and save its state."""
        await self._apply(experiment)
        fault_point("told")
        await self._save()

    async def _apply(self, experiment: Experiment) -> None:
        proposal = self._outstanding.pop(experiment.id, None)
        if proposal is None:
            source = await self._store.source(experiment.source_sha)
            await to_thread.run_sync(self._policy.observe, source, _outcome(experiment))
        else:
            await to_thread.run_sync(self._policy.tell, proposal, _outcome(experiment))

    async def _save(self) -> None:
        log = await self._store.policy_log()
        sha = await to_thread.run_sync(self._write_state)
        fault_point("state-written")
        await self._store.save_policy_state(sha, log[-1].seq)
        fault_point("state-saved")
        self._saved = [*self._saved, sha][-_STATES_KEPT:]
        blobs.prune_blobs(self._store.folder.policy, self._saved)

    def _write_state(self) -> str:
        content = json.dumps(self.state_dict(), sort_keys=True).encode()
        return blobs.write_blob(self._store.folder.policy, content)

    async def _replay(self, entry: LogEntry, experiment: Experiment) -> None:
        if entry.operation != "ask":
            await self._apply(experiment)
            return
        recorded = await self._recorded(experiment)
        proposal = await to_thread.run_sync(self._policy.ask)
        # A policy that has changed since (a new version, a language model) answers something
        # else: what was recorded is what was run.
        same = proposal.source == recorded.source
        self._outstanding[experiment.id] = proposal if same else recorded

    async def _remember(self, experiments: dict[int, Experiment], log: list[LogEntry]) -> None:
        """Rebuild the proposals that were outstanding when the state was saved after `log`."""
        open_asks: dict[int, None] = {}
        for entry in log:
            if entry.operation == "ask":
                open_asks[entry.experiment_id] = None
            else:
                open_asks.pop(entry.experiment_id, None)
        for experiment_id in open_asks:
            self._outstanding[experiment_id] = await self._recorded(experiments[experiment_id])

    async def _recorded(self, experiment: Experiment) -> Proposal:
        assert experiment.parent_sha is not None
        return Proposal(
            edit=Edit.from_json(json.dumps(experiment.edit)),
            diff=experiment.diff,
            source=await self._store.source(experiment.source_sha),
            parent=await self._store.source(experiment.parent_sha),
            log_prob=experiment.log_prob,
            why=experiment.why,
            number=experiment.proposal_number or 0,
        )


def _outcome(experiment: Experiment) -> Outcome:
    return Outcome(
        status=cast(policy.Status, experiment.status),  # only what has ended is learnt
        val_bpb=experiment.val_bpb,
        seconds=experiment.seconds,
        peak_memory_mb=experiment.peak_memory_mb,
    )
