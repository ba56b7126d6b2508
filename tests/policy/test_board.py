"""The board: statistics of many studies at once are those of each, and say what they should."""

from __future__ import annotations

import copy
import math
from dataclasses import fields

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import policy
from policy import Outcome, Proposal
from policy.board import ABORT, KEEP, MOVES, STATUSES, VETO, Board, Told
from policy.contract import propose
from policy.features import observe
from policy.roster import Roster
from policy.stock import stock
from policy.table import Table
from policy.tensors import pack, unpack
from target import lattice
from target.edit import Edit, change
from target.sites import find_sites

NAN = math.nan
SITES = 5
seeds = st.integers(0, 1000)


def boards(count: int, generator: torch.Generator) -> list[Board]:
    """Boards of one study each, over random knobs."""
    known = stock()
    made = []
    for _ in range(count):
        rows = torch.randint(len(known.knobs), (1, SITES), generator=generator)
        columns = ("static", "coordinates", "low", "high", "origin", "choices")
        present = torch.ones(1, SITES, dtype=torch.bool)
        made.append(Board(Table(present=present, **{n: getattr(known, n)[rows] for n in columns})))
    return made


def together(parts: list[Board]) -> Board:
    states = [part.state() for part in parts]
    return Board.from_state({name: torch.cat([s[name] for s in states]) for name in states[0]})


def luck(board: Board, status: int, g: torch.Generator) -> Told:
    """An edit of one to three sites that ended with this status, with luck in all else."""
    sites = torch.rand(1, SITES, generator=g).argsort(1)[:, :MOVES]
    sites[:, int(torch.randint(1, MOVES + 1, (), generator=g)) :] = -1
    at = sites.clamp(min=0)
    low, high = board.table.low.gather(1, at), board.table.high.gather(1, at)
    ends = low + (torch.rand(1, MOVES, generator=g) * (high - low + 1)).long()

    def number(unknown: float) -> Tensor:
        value = 2 + 0.1 * torch.randn(1, generator=g)
        return torch.where(torch.rand(1, generator=g) < unknown, NAN, value)

    scored = STATUSES[status] in ("keep", "discard")
    return Told(
        sites=sites,
        starts=board.position.gather(1, at),
        ends=ends,
        status=torch.tensor([status]),
        score=number(0.2 if scored else 1.0),
        parent=number(0.5),
        seconds=number(0.3),
        memory=number(0.3),
    )


def stacked(told: list[Told]) -> Told:
    return Told(*(torch.cat([getattr(t, f.name) for t in told]) for f in fields(Told)))


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, equal_nan=True, msg=name)


@settings(max_examples=5)
@given(seeds)
def test_many_studies_side_by_side_are_as_many_alone(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    alone = boards(3, g)
    side_by_side = together(alone)
    for number in range(2 * len(STATUSES)):
        if number == 3:
            score, noise = torch.tensor([2.0, NAN, 2.1]), torch.tensor([NAN, 0.1, 0.2])
            side_by_side.observe(score, noise)
            for row, board in enumerate(alone):
                board.observe(score[row : row + 1], noise[row : row + 1])
        told = [luck(b, (number + 3 * row) % len(STATUSES), g) for row, b in enumerate(alone)]
        gains = side_by_side.tell(stacked(told))
        each = torch.cat([board.tell(item) for board, item in zip(alone, told, strict=True)])
        torch.testing.assert_close(gains, each)
    assert_same(side_by_side.state(), together(alone).state())
    seen = observe(side_by_side, torch.full((3,), 5.0))
    for row, board in enumerate(alone):
        own = observe(board, torch.full((1,), 5.0))._asdict()
        assert_same(seen.pick(torch.tensor([row]))._asdict(), own)


@settings(max_examples=10)
@given(seeds)
def test_an_abort_never_raises_what_is_expected(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    (board,) = boards(1, g)
    for number in range(8):
        board.tell(luck(board, number % 2, g))
        before = board.mean.clone()
        board.tell(luck(board, ABORT, g))
        assert (board.mean <= before).all()
        assert (board.variance > 0).all()


@settings(max_examples=5)
@given(seeds)
def test_a_veto_is_no_score(seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    (board,) = boards(1, g)
    for status in (KEEP, 1, 1):
        board.tell(luck(board, status, g))
    before = copy.deepcopy(board)
    told = luck(board, VETO, g)
    assert board.tell(told) == 0
    for name in ("mean", "variance", "blame", "effect", "value_fails", "value_best", "position"):
        assert torch.equal(getattr(board, name), getattr(before, name)), name
    assert torch.equal(board.base(), before.base()) or board.base().isnan()
    assert board.sigma() == before.sigma()
    assert float((board.dislike - before.dislike).sum()) == pytest.approx(1.0)
    assert float((board.tries - before.tries).sum()) == float((told.sites >= 0).sum())


def at_site(status: str, score: float = NAN, parent: float = NAN, site: int = 0) -> Told:
    """One step up at one site."""
    one = torch.tensor([[site, -1, -1]])
    known = {"score": score, "parent": parent, "seconds": NAN, "memory": NAN}
    return Told(
        sites=one,
        starts=torch.zeros_like(one),
        ends=torch.tensor([[1, 0, 0]]),
        status=torch.tensor([STATUSES.index(status)]),  # type: ignore[arg-type]
        **{name: torch.tensor([value]) for name, value in known.items()},
    )


def rates() -> Board:
    return Roster(find_sites("A_LR = 0.01\nB_LR = 0.01\nC_LR = 0.01\n")).board()


def test_an_unknown_baseline_is_the_best_of_what_did_not_beat_it() -> None:
    board = rates()
    assert board.base().isnan()
    for score in (3.0, 2.0, 2.5):
        board.tell(at_site("discard", score))
    assert board.base() == 2.0
    board.observe(torch.tensor([2.75]), torch.tensor([NAN]))
    assert board.base() == 2.75
    board.tell(at_site("keep", 1.5))
    assert board.base() == 1.5


def test_unknown_noise_is_half_the_median_change() -> None:
    board = rates()
    assert board.sigma() == 0
    assert board.tell(at_site("discard", 3.0)) == 0  # nothing to compare it with
    for score in (2.0, 2.5, 4.0):  # changes of 1, 0.5 and 2
        gain = board.tell(at_site("discard", score))
    assert board.sigma() == 0.5
    assert float(gain) == pytest.approx(-math.asinh(4))
    board.observe(torch.tensor([NAN]), torch.tensor([0.1]))
    assert float(board.sigma()) == pytest.approx(0.1)


def test_that_it_was_kept_says_that_it_is_better() -> None:
    """On purpose unlike `adaptive`: a kept score that looks worse was luck of its parent's."""
    board = rates()
    board.observe(torch.tensor([2.0]), torch.tensor([0.1]))
    assert board.tell(at_site("keep", 2.2)) == 0.5
    assert board.position[0, 0] == 1
    assert board.tell(at_site("discard", 2.4)) < -1


def test_the_state_comes_back_and_goes_on() -> None:
    g = torch.Generator().manual_seed(4)
    (board,) = boards(1, g)
    for status in range(len(STATUSES)):
        board.tell(luck(board, status, g))
    again = Board.from_state(unpack(pack(board.state())))
    assert_same(again.state(), board.state())
    told = luck(board, KEEP, g)
    assert torch.equal(again.tell(told), board.tell(told))
    assert_same(again.state(), board.state())


SOURCE = "A_LR = 0.01\nB_LR = 0.1\nWIDTH = 64\nFLAG = False\n"
STUDY: list[tuple[dict[str, int], Outcome]] = [
    ({"A_LR": 1, "B_LR": -1}, Outcome(status="discard", val_bpb=2.2)),
    ({"A_LR": -1, "FLAG": 1}, Outcome(status="crash")),
    ({"WIDTH": 1}, Outcome(status="abort")),
    ({"B_LR": 1, "WIDTH": -1}, Outcome(status="veto")),
    ({"FLAG": 1}, Outcome(status="oom")),
    ({"FLAG": 1, "B_LR": -1}, Outcome(status="invalid")),
    ({"A_LR": 1}, Outcome(status="keep", val_bpb=1.9)),
    ({"B_LR": -2, "WIDTH": -1}, Outcome(status="timeout")),
    ({"WIDTH": -1}, Outcome(status="discard", val_bpb=1.8)),
]


def stepped(parent: str, steps: dict[str, int], number: int) -> Proposal:
    sites = {site.id: site for site in find_sites(parent)}
    changes = []
    for name, n in steps.items():
        value = lattice.step(sites[name], sites[name].value, n)
        assert value is not None
        changes.append(change(sites[name], value))
    proposal = propose(Edit(tuple(changes)), parent, number=number, sealed=False)
    assert proposal is not None
    return proposal


def test_the_statistics_are_those_of_adaptive() -> None:
    """But for the drift of variances: it comes before a tell's share there, and after it here."""
    made, roster = policy.make("adaptive", SOURCE, 0), Roster(find_sites(SOURCE))
    board, incumbent = roster.board(), SOURCE
    for score in (2.0, 2.1):
        made.observe(SOURCE, Outcome(status="discard", val_bpb=score))
    board.observe(torch.tensor([2.05]), torch.tensor([math.sqrt(0.005)]))
    for number, (steps, outcome) in enumerate(STUDY):
        proposal = stepped(incumbent, steps, number)
        made.tell(proposal, outcome)
        before, after = roster.positions(incumbent), roster.positions(proposal.source)
        rows = [row for row in before if before[row] != after[row]]
        absent = [-1] * (MOVES - len(rows))
        told = at_site(outcome.status, NAN if outcome.val_bpb is None else outcome.val_bpb)
        told.sites = torch.tensor([rows + absent])
        told.starts = torch.tensor([[before[row] for row in rows] + absent])
        told.ends = torch.tensor([[after[row] for row in rows] + absent])
        board.tell(told)
        incumbent = proposal.source if outcome.status == "keep" else incumbent
        for name, arms in made.state_dict()["arms"].items():
            for way, (mean, variance, *exact) in arms.items():
                at = (0, roster.rows[name], 0 if way == "-" else 1)
                assert float(board.mean[at]) == pytest.approx(mean, abs=0.02)
                assert float(board.variance[at]) == pytest.approx(variance, abs=0.02)
                found = [float(stat[at]) for stat in (board.tries, board.blame, board.dislike)]
                assert found == pytest.approx(exact, abs=1e-5)
