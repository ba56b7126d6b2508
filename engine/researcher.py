"""The policy as the engine drives it: every ask and tell is recorded, so that a crash loses none.

The recorded order of asks and tells is the truth. The policy's state is saved as a file now and
then, with the last entry that it contains; at start the state is loaded and the later entries are
replayed on it. A policy that draws from (seed, proposal number) alone then goes on exactly.

Every epoch has a policy of its own: it starts from the source that is the epoch's first incumbent
and is told the epoch's outcomes alone, because scores of two epochs do not compare. It is made
once that incumbent is known; what was recorded before then is replayed.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from typing import Any, cast

from anyio import to_thread

import policy
from engine.faults import fault_point
from policy import Outcome, Policy, Proposal
from state import blobs
from state.documents import PROGRAM
from state.records import Experiment, LogEntry, NewExperiment
from state.store import Store
from target.edit import Edit, describe

_STATES_KEPT = 3
AMENDED = " (amended)"


class Researcher:
    """An epoch's policy, its outstanding proposals, and the record of what it was asked and told.

    A policy numbers its proposals from 0, a study goes on counting: `earlier` proposals were
    recorded in earlier epochs.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        seed: int,
        options: dict[str, object],
        epoch_id: int,
        earlier: int,
    ) -> None:
        self._store = store
        self._name = name
        self._seed = seed
        self._options = options
        self._epoch_id = epoch_id
        self._earlier = earlier
        self._policy: Policy | None = None  # until the epoch's incumbent is known
        self._outstanding: dict[int, Proposal] = {}
        self._saved: list[str] = []  # the newest states' files; older ones may go

    @classmethod
    async def restore(
        cls, store: Store, name: str, seed: int, options: dict[str, object]
    ) -> Researcher:
        """The current epoch's policy as the records left it. Raises policy.PolicyError."""
        epoch_id = (await store.epochs())[-1].id
        numbers = [
            experiment.proposal_number
            for experiment in await store.experiments()
            if experiment.epoch_id < epoch_id and experiment.proposal_number is not None
        ]
        earlier = max(numbers, default=-1) + 1
        researcher = cls(store, name, seed, options, epoch_id, earlier)
        await researcher.begin()
        return researcher

    async def begin(self) -> None:
        """Make the policy once the epoch's incumbent is known, and replay the epoch's log on it.

        Raises policy.PolicyError.
        """
        if self._policy is not None:
            return
        here = [i for i in await self._store.incumbents() if i.epoch_id == self._epoch_id]
        if not here:
            return
        experiments = {e.id: e for e in await self._store.experiments()}
        source = await self._store.source(experiments[here[0].experiment_id].source_sha)
        seed = policy_seed(self._seed, self._epoch_id) if self._earlier else self._seed
        given: dict[str, Any] = {"program": await self._store.document(PROGRAM)}
        given |= self._options
        make = partial(policy.make, self._name, source, seed, **given)
        made = await to_thread.run_sync(make)
        self._policy = made
        log = [e for e in await self._store.policy_log() if self._is_here(experiments, e)]
        saved = await self._store.latest_policy_state()
        after = 0
        # A state that is older than the epoch's first entry is another epoch's.
        if saved is not None and log and saved.log_seq >= log[0].seq:
            after = saved.log_seq
            made.load_state_dict(
                json.loads(blobs.read_blob(self._store.folder.policy, saved.sha256))
            )
            self._saved.append(saved.sha256)
            await self._remember(experiments, [entry for entry in log if entry.seq <= after])
        for entry in log:
            if entry.seq > after:
                await self._replay(made, entry, experiments[entry.experiment_id])

    def state_dict(self) -> dict[str, object]:
        """The policy's whole state; it must have been made."""
        return self._made().state_dict()

    async def ask(self) -> Proposal:
        """The policy's next proposal. The event loop goes on while it is thought of.

        Only once the epoch's incumbent is known. Raises policy.PolicyExhausted.
        """
        proposal = await to_thread.run_sync(self._made().ask)
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
                proposal_number=self._earlier + proposal.number,
                log_prob=proposal.log_prob,
                why=proposal.why,
            ),
            operation="ask",
        )
        self._outstanding[experiment_id] = proposal
        fault_point("enqueued")
        return await self._store.experiment(experiment_id)

    async def amend(self, experiment: Experiment, source: str) -> None:
        """A person has changed the source of a queued candidate: it is not what was sampled."""
        known = self._outstanding.get(experiment.id) or await self._recorded(experiment)
        proposal = known.amended(source)
        await self._store.amend(
            experiment.id,
            source,
            diff=proposal.diff,
            summary=f"{experiment.summary.removesuffix(AMENDED)}{AMENDED}",
            why=proposal.why,
        )
        self._outstanding[experiment.id] = proposal
        fault_point("amended")

    def insight(self) -> dict[str, object]:
        """What the policy says of itself, for people; plain values for JSON."""
        return {} if self._policy is None else {"name": self._name, **self._policy.insight()}

    async def learn(self, experiment: Experiment) -> None:
        """Tell or show the policy an outcome whose record is committed, and save its state.

        What ended before the policy is made is replayed then; an earlier epoch's is never told.
        """
        if self._policy is None or experiment.epoch_id != self._epoch_id:
            return
        await self._apply(self._policy, experiment)
        fault_point("told")
        await self._save()

    def _made(self) -> Policy:
        assert self._policy is not None, "the epoch's incumbent is not known yet"
        return self._policy

    def _is_here(self, experiments: dict[int, Experiment], entry: LogEntry) -> bool:
        return experiments[entry.experiment_id].epoch_id == self._epoch_id

    async def _apply(self, chosen: Policy, experiment: Experiment) -> None:
        proposal = self._outstanding.pop(experiment.id, None)
        if proposal is None:
            source = await self._store.source(experiment.source_sha)
            await to_thread.run_sync(chosen.observe, source, _outcome(experiment))
        else:
            await to_thread.run_sync(chosen.tell, proposal, _outcome(experiment))

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

    async def _replay(self, chosen: Policy, entry: LogEntry, experiment: Experiment) -> None:
        if entry.operation != "ask":
            await self._apply(chosen, experiment)
            return
        recorded = await self._recorded(experiment)
        proposal = await to_thread.run_sync(chosen.ask)
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
            number=(experiment.proposal_number or 0) - self._earlier,
        )


def policy_seed(study_seed: int, epoch_id: int) -> int:
    """The seed of a later epoch's policy, so that it does not draw the first one's edits again."""
    digest = hashlib.blake2b(f"{study_seed}:epoch:{epoch_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _outcome(experiment: Experiment) -> Outcome:
    return Outcome(
        status=cast(policy.Status, experiment.status),  # only what has ended is learnt
        val_bpb=experiment.val_bpb,
        seconds=experiment.seconds,
        peak_memory_mb=experiment.peak_memory_mb,
    )
