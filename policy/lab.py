"""Runs simulated studies side by side: noise, keep rules, failures, and what the policy is told.

How scores are kept differs from study to study, so that a policy works under any keep rule: at once
whatever scores better; only what gains clearly; or, as our engine does it, what fresh re-runs
confirm. In some studies nobody tells the noise or the baseline's score, seconds or memory.
"""

from __future__ import annotations

import torch
from torch import Tensor

from policy.board import ABORT, DISCARD, KEEP, VETO, Board, Told
from policy.features import Observation, moves, observe
from policy.moves import PLACES
from policy.network import Action, EditNetwork, Encoded
from policy.simulator import Studies

_FLOOR = 1.0  # sigma of regret below which nothing more is to be gained
_SCREEN = 1.4  # sigma, as in the engine's keep rule
_CONFIRMED = 1.3  # sigma that four fresh runs must gain against a well-known incumbent
_REDRAWS = 3  # of candidates that were tried already


class Lab:
    """B simulated studies in progress."""

    def __init__(self, studies: Studies, horizon: int, generator: torch.Generator) -> None:
        self.studies = studies
        self.board = Board(studies.table)
        self.horizon = horizon
        self._g = generator
        b, s = studies.table.low.shape
        chance = torch.rand(b, generator=generator)
        self._greedy, self._clear = chance < 0.45, chance > 0.75
        self._aborts = torch.rand(b, generator=generator) < 0.25
        self._vetoes = (torch.rand(b, generator=generator) < 0.1).float() * 0.15
        self._tells_horizon = torch.rand(b, generator=generator) < 0.5
        self._tells_cost = torch.rand(b, generator=generator) < 0.7
        self._load = torch.rand(b, s, generator=generator) * 0.3
        self._keys = torch.randint(-(2**62), 2**62, (b, s, PLACES), generator=generator)
        self.true = torch.zeros(b)  # the incumbent's noiseless score
        self._known = torch.zeros(b)  # what the keep rule takes it for
        self._tried = [self._key(self.board.position)]
        self._observe_baseline(b)
        self.start = self.log_regret()

    def observation(self) -> Observation:
        """What the policy sees now."""
        left = float(self.horizon - int(self.board.told[0]))
        b = len(self.true)
        return observe(
            self.board, torch.where(self._tells_horizon, torch.full((b,), left), torch.nan)
        )

    def truth(self) -> Tensor:
        """What only the simulator knows, for the critic [B, TRUTH_FEATURES]."""
        left = 1 - float(self.board.told[0]) / self.horizon
        return torch.stack(
            (
                self.log_regret() / 2,
                self.log_regret() * left / 2,
                torch.full_like(self.true, left),
                self._greedy.float(),
            ),
            1,
        )

    def regret(self) -> Tensor:
        """What the incumbent still lacks, in sigma [B]."""
        return (self.true - self.studies.best).clamp(min=0)

    def ends(self, action: Action) -> Tensor:
        """The candidate's positions [B, S]."""
        position = self.board.position.clone()
        possible = moves(self.board).ends.flatten(1)
        rows = torch.arange(len(position))
        for number in range(action.moves.shape[1]):
            move = action.moves[:, number]
            made = move >= 0
            site = action.sites[:, number]
            position[rows[made], site[made]] = possible[rows, move.clamp(min=0)][made]
        return position

    def tried(self, action: Action) -> Tensor:
        """Whether the candidate has been run before [B]."""
        key = self._key(self.ends(action))
        return torch.stack([key == known for known in self._tried]).any(0)

    def run(self, action: Action) -> Tensor:
        """Run the candidates and tell the board; the decrease of the log of the regret [B]."""
        before = self.log_regret()
        board, g = self.board, self._g
        b = len(self.true)
        position = self.ends(action)
        self._tried.append(self._key(position))
        result = self.studies.evaluate(position)
        score = result.score + self._noise(b)
        status = torch.full((b,), DISCARD)
        better, known = self._judge(result.score, score)
        status[better] = KEEP
        hopeless = self._aborts & (score - self._known > 4) & (torch.rand(b, generator=g) < 0.8)
        status[hopeless] = ABORT
        status = torch.where(result.failure >= 0, result.failure, status)
        status[torch.rand(b, generator=g) < self._vetoes] = VETO
        kept = status == KEEP
        self.true = torch.where(kept, result.score, self.true)
        self._known = torch.where(kept, known, self._known)
        nothing = torch.full((b,), torch.nan)
        told_score = torch.where((status == KEEP) | (status == DISCARD), score, nothing)
        told_score = torch.where(kept & ~self._greedy & ~self._clear, known, told_score)
        memory = torch.exp2((self._load * (position - board.table.origin)).sum(1))
        seconds = 1 + 0.05 * torch.randn(b, generator=g).abs()
        starts = board.position.gather(1, action.sites.clamp(min=0))
        board.tell(
            Told(
                sites=action.sites,
                starts=starts,
                ends=position.gather(1, action.sites.clamp(min=0)),
                status=status,
                score=told_score,
                parent=nothing,
                seconds=torch.where(self._tells_cost, seconds, nothing),
                memory=torch.where(self._tells_cost, memory, nothing),
            )
        )
        return before - self.log_regret()

    def log_regret(self) -> Tensor:
        """The log of the incumbent's true regret in sigma, levelling off below one [B]."""
        return (self.regret() + _FLOOR).log()

    def _noise(self, b: int) -> Tensor:
        """Of unit standard deviation; Student's t with 4 degrees of freedom where it is heavy."""
        normal = torch.randn(b, generator=self._g)
        square = torch.randn(b, 4, generator=self._g).square().mean(1)
        return torch.where(self.studies.heavy, normal / (2 * square).sqrt(), normal)

    def _judge(self, true: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
        """Which candidates are kept [B], and the score that they are then known by."""
        b = len(true)
        gain = self._known - score
        fresh = true + self._noise(b) / 2
        confirmed = (gain > _SCREEN) & (self._known - fresh > _CONFIRMED)
        better = torch.where(self._greedy, gain > 0, torch.where(self._clear, gain > 1, confirmed))
        return better, torch.where(self._greedy | self._clear, score, fresh)

    def _observe_baseline(self, b: int) -> None:
        chance = torch.rand(b, generator=self._g)
        nothing = torch.full((b,), torch.nan)
        score = 0.6 * torch.randn(b, generator=self._g)
        noise = torch.exp(0.35 * torch.randn(b, generator=self._g))
        self._known = score.clone()
        self.board.observe(
            torch.where(chance < 0.65, score, nothing), torch.where(chance < 0.5, noise, nothing)
        )

    def _key(self, position: Tensor) -> Tensor:
        at = position.remainder(PLACES)[..., None]
        return self._keys.gather(2, at)[..., 0].sum(1)


def sample_untried(
    lab: Lab, network: EditNetwork, encoded: Encoded, generator: torch.Generator
) -> Action:
    """Sample edits; what has been tried already is drawn again, a few times."""
    action = network.sample(encoded, generator)
    for _ in range(_REDRAWS):
        again = lab.tried(action)
        if not again.any():
            break
        fresh = network.sample(Encoded(*(part[again] for part in encoded)), generator)
        moves_ = action.moves.clone()
        moves_[again] = fresh.moves
        action = Action(moves_)
    return action
