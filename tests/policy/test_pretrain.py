"""Pretraining: a tiny plan runs, goes on where it was cut off, and keeps its checkpoint's plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from policy import pretrain, weights
from policy.network import Shape
from policy.pretrain import Plan, Trainer

PLAN = Plan(
    decisions=32,
    studies=2,
    shape=Shape(width=16, layers=1, heads=2, inner=16, scorer=8, pair=4),
)


class PowerCut(Exception):
    """Stands for whatever ends a run early."""


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of three or four experiments, judged after two updates."""
    for name, value in (
        ("_SITES", (3, 4)),
        ("_HORIZONS", (3, 4)),
        ("_EVALUATED", 1),
        ("_CHECKED", (1, 2)),
        ("_EVERY", 2),
    ):
        monkeypatch.setattr(pretrain, name, value)


def trained(output: Path, plan: Plan = PLAN) -> Trainer:
    output.mkdir(exist_ok=True)
    trainer = Trainer(0, plan, output)
    trainer.run()
    return trainer


def cut_off(output: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin, and end in the update after so many."""
    train_once, done = Trainer._train_once, []

    def cut(self: Trainer) -> object:
        if len(done) == after:
            raise PowerCut
        done.append(1)
        return train_once(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_train_once", cut)
        with pytest.raises(PowerCut):
            trained(output)


def rows(output: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]


def test_a_tiny_plan_runs_to_its_end(tmp_path: Path) -> None:
    trainer = trained(tmp_path)
    log = rows(tmp_path)
    assert [row["update"] for row in log] == list(range(1, len(log) + 1))
    assert log[-1]["decisions"] >= PLAN.decisions  # type: ignore[operator]
    judged = [row["held_out"] for row in log if "held_out" in row]
    assert "held_out" not in log[0]
    assert set(judged[-1]) > {"mean", "sharp 1", "nameless 2"}  # type: ignore[call-overload]
    best = weights.load(tmp_path / "best.safetensors")
    assert best.shape == PLAN.shape
    fresh = Trainer(0, PLAN, tmp_path / "elsewhere").network
    changed = zip(trainer.network.parameters(), fresh.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in changed)


def test_it_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off before there is a checkpoint, and after."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = trained(whole).network.state_dict()
    for after in (1, 3):
        cut_off(parts, after, monkeypatch)
        assert (parts / "checkpoint.pt").exists() == (after > 1)
    torch.manual_seed(99)  # the process is another one
    found = trained(parts).network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    best = [(folder / "best.safetensors").read_bytes() for folder in (whole, parts)]
    assert best[0] == best[1]


def test_a_finished_run_has_nothing_left_to_do_and_stands_by_its_settings(tmp_path: Path) -> None:
    short = replace(PLAN, decisions=6)
    trained(tmp_path, short)
    before = rows(tmp_path)
    trained(tmp_path, short)
    assert rows(tmp_path) == before
    with pytest.raises(SystemExit) as refused:
        trained(tmp_path, replace(short, rate=1e-4, seed=1))
    said = str(refused.value)
    assert "made with other settings (seed, rate): use them again, or another --output" in said
    assert "\n" not in said


def test_another_seed_ends_elsewhere(tmp_path: Path) -> None:
    short = replace(PLAN, decisions=6)

    def ended(name: str, plan: Plan) -> dict[str, torch.Tensor]:
        return trained(tmp_path / name, plan).network.state_dict()

    one, other = ended("one", short), ended("other", replace(short, seed=1))
    assert any(not torch.equal(other[name], value) for name, value in one.items())
