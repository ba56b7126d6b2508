"""Other seeds for each run, and nothing else."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target import gate
from target.reseeding import reseed

SCRIPT = """\
import argparse, random
import numpy as np, torch
SEED = 1337  # of everything
LR = 42
torch.manual_seed(42)
random.seed(0x10)
rng = np.random.default_rng(seed=7)
draw = random.Random(1)
config = {"seed": 3, "lr": 3}
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=5)
parser.add_argument("--lr", type=float, default=5)


def make(size=9, *, seed: int = 9):
    torch.manual_seed(seed)
"""
RESEEDED = """\
import argparse, random
import numpy as np, torch
SEED = 1437  # of everything
LR = 42
torch.manual_seed(142)
random.seed(0x74)
rng = np.random.default_rng(seed=107)
draw = random.Random(101)
config = {"seed": 103, "lr": 3}
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=105)
parser.add_argument("--lr", type=float, default=5)


def make(size=9, *, seed: int = 109):
    torch.manual_seed(seed)
"""


def test_all_ways_to_write_a_seed() -> None:
    assert reseed(SCRIPT, 100) == RESEEDED


@given(st.integers(0, 1 << 63), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_only_luck_changes(seed: int, end: str, mark: str) -> None:
    source = mark + SCRIPT.replace("\n", end)
    other = reseed(source, seed)
    ast.parse(other.removeprefix("\ufeff"))
    assert gate.only_seeds(source, other)
    assert other.count(end) == source.count(end)
    assert reseed(source, 0) == source


@pytest.mark.parametrize(
    "source", ["x = 1\n", "seed = None\n", "seed = True\n", "seed = start()\n"]
)
def test_what_is_no_number_stays(source: str) -> None:
    assert reseed(source, 5) == source


def test_a_seed_that_is_frozen_stays() -> None:
    script = "SPLIT_SEED = 1  # arl: frozen\nSEED = 2\n"
    assert reseed(script, 100) == "SPLIT_SEED = 1  # arl: frozen\nSEED = 102\n"
