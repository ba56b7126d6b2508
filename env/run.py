"""What a candidate's `train(model, run)` gets: data until the deadline, and where to report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch

from env.batches import Batches
from env.clock import BudgetClock
from env.failure import Failure
from env.shards import Tokens


class Run:
    """What `train(model, run)` gets: data until the deadline, and where to report progress."""

    def __init__(
        self,
        *,
        device: torch.device,
        seed: int,
        vocab_size: int,
        seq_len: int,
        clock: BudgetClock,
        open_rows: Callable[[], Tokens],
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        """`open_rows` is called once, when the clock is about to start; `say` takes reports."""
        self.device = device
        self.seed = seed
        self.vocab_size = vocab_size
        self.seq_len = seq_len
        self._clock = clock
        self._open_rows = open_rows
        self._say = say
        self._batches: Batches | None = None

    @property
    def progress(self) -> float:
        """The spent share of the budget: 0.0 before the first batch, 1.0 at the deadline."""
        return self._clock.progress

    @property
    def budget(self) -> float:
        """The budget, in seconds (`wall`, `cpu`) or in batches (`steps`)."""
        return self._clock.budget

    def batches(self, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (x, y), each int64 [batch_size, seq_len] on the device, until the deadline.

        The first batch starts the clock. y is x shifted by one token.
        """
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a positive whole number, not {batch_size!r}")
        rows = self._rows()
        while not self._clock.spent:
            block = torch.from_numpy(rows.take(batch_size))
            if self.device.type == "cuda":
                block = block.pin_memory().to(self.device, non_blocking=True)
            self._clock.tick()
            yield block[:, :-1], block[:, 1:]

    def dummy_batch(self, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random token ids shaped like a batch, for compiling and warming up before the clock."""
        shape = (batch_size, self.seq_len + 1)
        generator = torch.Generator().manual_seed(0)
        block = torch.randint(self.vocab_size, shape, generator=generator).to(self.device)
        return block[:, :-1], block[:, 1:]

    def report(self, step: int, loss: float | torch.Tensor) -> None:
        """Report the training loss (nats per token) at a step, for the viewer and early stopping.

        A loss that is not finite ends the experiment: it would only waste the rest of the budget.
        """
        value = float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        if not math.isfinite(value):
            raise Failure("crash", f"the loss became {value} at step {step}")
        body = {"type": "report", "step": int(step), "loss": value, "progress": self.progress}
        self._say(body)

    def _rows(self) -> Batches:
        if self._batches is None:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self._batches = Batches(self._open_rows(), self.seed)
            self._clock.start()
        return self._batches
