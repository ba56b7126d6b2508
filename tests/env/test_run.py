from typing import Any

import numpy as np
import pytest
import torch

from env.clock import BudgetClock
from env.failure import Failure
from env.run import Run
from env.shards import Tokens

ROWS = np.arange(40, dtype=np.uint16).reshape(8, 5)


def make(budget: float = 3, said: list[Any] | None = None, opened: list[int] | None = None) -> Run:
    def open_rows() -> Tokens:
        if opened is not None:
            opened.append(1)
        return ROWS

    return Run(
        device=torch.device("cpu"),
        seed=1,
        vocab_size=40,
        seq_len=4,
        clock=BudgetClock("steps", budget),
        open_rows=open_rows,
        say=(said if said is not None else []).append,
    )


def test_batches_are_inputs_and_the_same_shifted() -> None:
    for x, y in make().batches(2):
        assert x.shape == y.shape == (2, 4)
        assert x.dtype == y.dtype == torch.int64
        assert torch.equal(x + 1, y)


def test_the_deadline_is_one_for_all_calls() -> None:
    opened: list[int] = []
    run = make(budget=3, opened=opened)
    first = run.batches(2)
    assert not opened
    x, _ = next(first)
    second = run.batches(2)
    y, _ = next(second)
    assert not set(x[:, 0].tolist()) & set(y[:, 0].tolist())
    assert len(list(first)) == 1
    assert list(second) == list(run.batches(2)) == []
    assert opened == [1]
    assert run.progress == 1.0


def test_nothing_before_the_first_batch_is_charged() -> None:
    opened: list[int] = []
    run = make(opened=opened)
    x, y = run.dummy_batch(3)
    assert x.shape == y.shape == (3, 4)
    assert torch.equal(x, run.dummy_batch(3)[0])
    assert not opened
    assert (run.progress, run.budget) == (0.0, 3.0)


def test_reports_carry_step_loss_and_progress() -> None:
    said: list[Any] = []
    run = make(said=said)
    for step, _ in enumerate(run.batches(1)):
        run.report(step, torch.tensor(2.5, requires_grad=True))
    assert [body["progress"] for body in said] == pytest.approx([1 / 3, 2 / 3, 1])
    assert said[1] == {"type": "report", "step": 1, "loss": 2.5, "progress": pytest.approx(2 / 3)}


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_loss_that_is_not_finite_ends_it(loss: float) -> None:
    with pytest.raises(Failure, match=r"the loss became (nan|inf) at step 7") as raised:
        make().report(7, loss)
    assert raised.value.status == "crash"


@pytest.mark.parametrize("size", [0, -1, 2.0, "8"])
def test_a_batch_has_a_size(size: int) -> None:
    with pytest.raises(ValueError, match="positive whole number"):
        next(make().batches(size))
