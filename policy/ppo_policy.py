"""`ppo`: a network that reads sites and experiments, trained beforehand, and on in every study."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from policy import features, weights
from policy.board import MOVES, STATUSES, Board, Told
from policy.contract import Outcome, Policy, PolicyError, Proposal
from policy.features import Observation
from policy.learner import Learner, OnlineSettings
from policy.moves import BINS
from policy.network import Encoded
from policy.noise import pooled_deviation
from policy.ppo_options import changed
from policy.rewards import Experience, Weights
from policy.roster import Roster
from policy.search import SearchPolicy, digest
from policy.tensors import keyed_generator, pack, single_thread, unpack
from target import lattice
from target.edit import Edit, change
from target.literal import Value, same
from target.sites import Site, find_sites
from target.source import SourceError

_FAVOURITES = 8  # sites that `insight` names
_DRAWS = 64  # samples before every edit is gone through in order
_USUAL = 48  # experiments whose seconds are remembered
_DISCOURAGE = 1.0  # taken off a move's score when an edit with it was no use


@dataclass(frozen=True)
class _Draw:
    """An edit that the network sampled."""

    edit: Edit
    moves: Tensor
    log_prob: float


class PPOPolicy(SearchPolicy):
    """Samples edits of the incumbent from the network; learns from every outcome."""

    name = "ppo"

    def __init__(
        self,
        source: str,
        seed: int,
        *,
        sealed: bool | None = None,
        modules: Mapping[str, str] | None = None,
        weights_file: str | None = None,
        online: bool = True,
        experiments: int | None = None,
        settings: OnlineSettings,
        rewards: Weights,
    ) -> None:
        """`experiments`: how many the study will have, if that is known."""
        super().__init__(source, seed, sealed=sealed, modules=modules)
        self._online = online
        self._experiments = experiments
        network = weights.load(Path(weights_file) if weights_file else weights.SHIPPED)
        self._learner = Learner(network.eval(), seed, settings, rewards)
        self._roster = Roster(find_sites(source))
        self._board = self._roster.board()
        self._runs: dict[str, list[float]] = {}  # scores of what was observed, by source
        self._scores: dict[str, float] = {}  # of incumbents, past ones too
        self._seconds: list[float] = []

    @property
    def metrics(self) -> dict[str, float]:
        """Of the last update during the study: approx_kl, clipfrac, entropy and so on."""
        return dict(self._learner.metrics)

    def reachable(self, site: Site) -> list[Value]:
        """Up to four steps up or down; every choice is one step away."""
        return lattice.span(site, BINS // 2)

    def ask(self) -> Proposal:
        """An edit that the network samples; when those run out, any that is left."""
        self._board = self._roster.enlist(self._incumbent, self._board)
        self._stand_at(self._incumbent)
        generator = keyed_generator(self._seed, self._number)
        with single_thread(), torch.no_grad():
            seen = _rounded(features.observe(self._board, self._left()))
            for draw in self._draws(seen, generator):
                proposal = self._new(draw.edit)
                if proposal is not None:
                    self._noted(proposal)
                    if self._online:
                        self._learner.asked(proposal.number, seen, draw.moves, draw.log_prob)
                    chance = math.exp(draw.log_prob)
                    why = f"{proposal.why} (probability {chance:.2g})"
                    return replace(proposal, log_prob=draw.log_prob, why=why)
        return self._first_new(self._listed())

    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """Remember the outcome, move with the incumbent, and learn."""
        super().tell(proposal, outcome)
        self._board = self._roster.enlist(self._incumbent, self._board)
        told, distance = self._told(proposal, outcome)
        with single_thread():
            gain = float(self._board.tell(told)[0])
            if outcome.status == "keep":
                self._stand_at(proposal.source)
                if told.score.isfinite():
                    self._scores[digest(proposal.source)] = float(told.score)
            if self._online:
                status = STATUSES[int(told.status[0])]
                experience = Experience(status, gain, distance, self._unused(outcome))
                self._learner.tell(proposal.number, proposal.log_prob, experience)

    def observe(self, source: str, outcome: Outcome) -> None:
        """Re-runs tell the noise, and those of the incumbent its score."""
        super().observe(source, outcome)
        if outcome.val_bpb is None or not math.isfinite(outcome.val_bpb):
            return
        self._runs.setdefault(digest(source), []).append(outcome.val_bpb)
        own = self._runs.get(digest(self._incumbent))
        score = math.nan if own is None else statistics.fmean(own)
        if own is not None:
            self._scores[digest(self._incumbent)] = score
        self._board.observe(
            torch.tensor([score]), torch.tensor([_known(pooled_deviation(self._runs))])
        )

    def insight(self) -> dict[str, Any]:
        """Where the next edit would begin, the critic's value, and the last update's metrics."""
        with single_thread(), torch.no_grad():
            network = self._learner.network
            encoded = network.encode(_rounded(features.observe(self._board, self._left())))
            chances = network.first_sites(encoded)[0].tolist()
            value = float(network.value(encoded)[0])
        sites = sorted(zip(self._roster.rows, chances, strict=True), key=lambda site: -site[1])
        return {
            "metrics": self.metrics,
            "updates": self._learner.version,
            "value": value,
            "sites": [[name, round(chance, 4)] for name, chance in sites[:_FAVOURITES]],
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain values for JSON; tensors as text."""
        return super().state_dict() | {
            "features": weights.VERSION,
            "board": pack(self._board.state()),
            "sites": self._roster.state(),
            "runs": {name: list(scores) for name, scores in self._runs.items()},
            "scores": dict(self._scores),
            "seconds": list(self._seconds),
            "learner": self._learner.state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, its seed included."""
        try:
            super().load_state_dict(state)
            if state["features"] != weights.VERSION:
                raise ValueError(f"it is of version {state['features']} of the network's input")
            self._roster = Roster.from_state(state["sites"])
            self._board = Board.from_state(unpack(state["board"]))
            self._learner.load(state["learner"])
            self._runs = {name: list(scores) for name, scores in state["runs"].items()}
            self._scores, self._seconds = dict(state["scores"]), list(state["seconds"])
        except PolicyError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise PolicyError(f"the saved state of the policy cannot be used: {error}") from None

    def _draws(self, seen: Observation, generator: torch.Generator) -> Iterator[_Draw]:
        """Samples of the network; what has just been of no use becomes less likely."""
        network = self._learner.network
        encoded = network.encode(seen)
        sites = {site.id: site for site in find_sites(self._incumbent)}
        ends = features.moves(self._board).ends[0]
        tilted = encoded
        for _ in range(_DRAWS):
            action = network.sample(tilted, generator)
            moves = action.moves[0].tolist()
            edit = self._edit([move for move in moves if move >= 0], sites, ends)
            if edit is not None:
                log_prob = float(network.evaluate(encoded, action).log_prob[0])
                yield _Draw(edit, action.moves, log_prob)
            scores = tilted.scores.clone()
            for move in moves:
                if move >= 0:
                    scores[0, move // BINS, move % BINS] -= _DISCOURAGE
            tilted = Encoded(*tilted[:2], scores, *tilted[3:])

    def _edit(self, moves: list[int], sites: Mapping[str, Site], ends: Tensor) -> Edit | None:
        """The edit that some moves make of the incumbent, given where all moves lead."""
        changes = []
        for move in moves:
            row, bin_ = divmod(move, BINS)
            name, value = self._roster.value(row, int(ends[row, bin_]))
            if name in sites and value is not None and not same(value, sites[name].value):
                changes.append(change(sites[name], value))
        return Edit(tuple(changes)) if changes else None

    def _left(self) -> Tensor:
        if self._experiments is None:
            return torch.tensor([math.nan])
        return torch.tensor([float(max(0, self._experiments - int(self._board.told[0])))])

    def _stand_at(self, source: str) -> None:
        """Put the board where a source is."""
        for row, place in self._roster.positions(source).items():
            self._board.position[0, row] = place

    def _told(self, proposal: Proposal, outcome: Outcome) -> tuple[Told, float]:
        """The outcome for the board, and how many steps the candidate is from its parent."""
        try:
            before = self._roster.positions(proposal.parent)
            after = self._roster.positions(proposal.source)
        except SourceError:  # what a person amended may be broken
            before, after = {}, {}
        changed = [row for row in after if row in before and after[row] != before[row]]
        moved = changed[:MOVES]
        absent = [-1] * (MOVES - len(moved))
        score = math.nan
        if outcome.val_bpb is not None and outcome.status != "veto":
            score = float(torch.tensor(float(outcome.val_bpb)))  # inf where float32 ends
        again = self._runs.get(digest(proposal.source))
        if again and outcome.status == "keep":
            score = statistics.fmean(again)  # its first score was chosen for being low
        status = outcome.status
        if status == "discard" and not math.isfinite(score):
            status = "crash"  # a score that is none
        parent = self._scores.get(digest(proposal.parent), math.nan)
        told = Told(
            sites=torch.tensor([moved + absent]),
            starts=torch.tensor([[before[row] for row in moved] + [0] * len(absent)]),
            ends=torch.tensor([[after[row] for row in moved] + [0] * len(absent)]),
            status=torch.tensor([STATUSES.index(status)]),
            score=torch.tensor([score]),
            parent=torch.tensor([parent]),
            seconds=torch.tensor([_known(outcome.seconds)]),
            memory=torch.tensor([_known(outcome.peak_memory_mb)]),
        )
        return told, float(sum(abs(after[row] - before[row]) for row in changed))

    def _unused(self, outcome: Outcome) -> float:
        """The share of the usual seconds that were not needed."""
        seconds = outcome.seconds
        if outcome.status == "abort":
            return 0.0  # it was not done sooner, but given up
        if seconds is None or not math.isfinite(seconds) or seconds <= 0:
            return 0.0
        self._seconds = [*self._seconds, seconds][-_USUAL:]
        return max(0.0, 1 - seconds / statistics.median(self._seconds))


def _rounded(seen: Observation) -> Observation:
    """As it is when it has been saved, so that it is scored in the same way before and after."""
    return Observation(
        *(part.half().float() if part.is_floating_point() else part for part in seen)
    )


def _known(amount: float | None) -> float:
    return math.nan if amount is None else float(amount)


def make(
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
    weights: str | None = None,
    online: bool = True,
    experiments: int | None = None,
    rewards: Mapping[str, float] | None = None,
    learning: Mapping[str, float] | None = None,
) -> Policy:
    """The PPO policy. `rewards` and `learning` change fields of Weights and OnlineSettings."""
    if weights is not None and not isinstance(weights, str):
        raise PolicyError(f"weights = {weights!r} must be the path of a file")
    if experiments is not None and (type(experiments) is not int or experiments < 1):
        raise PolicyError(f"experiments = {experiments!r} must be a whole number above 0")
    if not isinstance(online, bool):
        raise PolicyError(f"online = {online!r} must be true or false")
    return PPOPolicy(
        source,
        seed,
        sealed=sealed,
        modules=modules,
        weights_file=weights,
        online=online,
        experiments=experiments,
        settings=changed(OnlineSettings(), "learning", learning),
        rewards=changed(Weights(), "rewards", rewards),
    )
