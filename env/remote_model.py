"""A model process as the scorer sees it: token ids in, a copy of its logits out."""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from env import confine
from env.channel import Channel
from env.failure import Failure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_STATUSES = ("crash", "oom", "invalid", "timeout")
_KEYS = ("source", "seed", "vocab_size", "seq_len", "device", "threads", "batch_rows")
_ANSWER_BYTES = 1 << 16
_LEAVE_SECONDS = 0.5


class RemoteModel:
    """A candidate's model behind two pieces of shared memory and a channel.

    It is started before numpy is imported, so that its start overlaps the scorer's own.
    """

    def __init__(self, order: dict[str, Any], number: int) -> None:
        """`order` as written by `engine.orders.score`; `number` says which of its `models`."""
        process = order["models"][number]
        self._shape = (int(order["batch_rows"]), int(order["seq_len"]))
        self._logits_shape = (*self._shape, int(order["vocab_size"]))
        ids_fd, self._ids = _memory("ids", 8 * math.prod(self._shape))
        logits_fd, self._logits = _memory("logits", 4 * math.prod(self._logits_shape))
        ours, theirs = socket.socketpair()
        numbers = {
            "{channel}": theirs.fileno(),
            "{weights}": os.open(order["weights"], os.O_RDONLY),
            "{ids}": ids_fd,
            "{logits}": logits_fd,
        }
        self._child = subprocess.Popen(
            [str(numbers.get(part, part)) for part in process["argv"]],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            env=process["env"],
            cwd=process["cwd"],
            pass_fds=list(numbers.values()),
            start_new_session=True,
            preexec_fn=lambda: confine.confine(order["model_rlimits"]),
        )
        theirs.close()
        for name in ("{weights}", "{ids}", "{logits}"):
            os.close(numbers[name])
        self._channel = Channel(ours.detach(), _ANSWER_BYTES)
        self._send({"type": "order", **{key: order[key] for key in _KEYS}})

    def wait_until_built(self) -> None:
        """Wait for the model; raises Failure when the candidate cannot build it."""
        self._answer("built")

    def logits(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Logits float32 [B, T, V] for token ids [B, T], B at most `batch_rows`.

        They are a finite copy of ours. Raises Failure.
        """
        import numpy as np

        np.frombuffer(self._ids, dtype=np.int64).reshape(self._shape)[: len(ids)] = ids
        self._send({"rows": len(ids)})
        self._answer("logits")
        shared = np.frombuffer(self._logits, dtype=np.float32).reshape(self._logits_shape)
        logits = shared[: len(ids)].copy()
        if not np.isfinite(logits).all():
            raise Failure("crash", "while being scored: the model's logits are not finite")
        return logits

    def close(self) -> None:
        """End it: it hears that no more is wanted, and has a moment to go by itself.

        What is killed with its process table takes the count of its CPU seconds along, and they
        would pass for other programs' (env/contention.py).
        """
        self._channel.close()
        try:
            self._child.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _send(self, body: dict[str, Any]) -> None:
        try:
            self._channel.send(body)
        except OSError:
            pass  # it has ended; the wait for its answer says so

    def _answer(self, wanted: str) -> None:
        try:
            body = self._channel.receive()
        except (EOFError, OSError, ValueError) as error:
            raise Failure("crash", "the model process ended while it was being scored") from error
        if body.get("type") == "failed" and body.get("status") in _STATUSES:
            reason = str(body.get("reason"))[:500]
            raise Failure(str(body["status"]), f"while being scored: {reason}")
        if body.get("type") != wanted:
            raise Failure("crash", "the model process broke the protocol while it was being scored")


def _memory(name: str, size: int) -> tuple[int, mmap.mmap]:
    """Shared memory that nobody can resize: the scorer must not fall over its end."""
    number = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(number, size)
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(number, fcntl.F_ADD_SEALS, seals)
    return number, mmap.mmap(number, size)
