"""The scorer: owns the targets and the loss, and runs no candidate code.

It starts a model process in a sandbox, hands it token ids through shared memory, copies the logits
out, and computes val-bpb itself.
"""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open

from env import processes
from env.bpb import bits_per_byte, nats_and_bytes
from env.channel import Channel
from env.run import Failure
from env.shards import open_rows

_STATUSES = ("crash", "oom", "invalid", "timeout")


class ModelProcess:
    """A candidate's model behind two pieces of shared memory and a channel."""

    def __init__(self, order: dict[str, Any], weights: Path) -> None:
        self._rows = int(order["batch_rows"])
        self._shape = (self._rows, int(order["seq_len"]))
        self._logits_shape = (*self._shape, int(order["vocab_size"]))
        self._ids_fd, self._ids = _memory("ids", 8 * int(np.prod(self._shape)))
        self._logits_fd, self._logits = _memory("logits", 4 * int(np.prod(self._logits_shape)))
        ours, theirs = socket.socketpair()
        weights_fd = os.open(weights, os.O_RDONLY)
        numbers = {
            "{channel}": theirs.fileno(),
            "{weights}": weights_fd,
            "{ids}": self._ids_fd,
            "{logits}": self._logits_fd,
        }
        self._child = subprocess.Popen(
            [str(numbers.get(part, part)) for part in order["model_argv"]],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            env=order["model_env"],
            cwd=order["model_cwd"],
            pass_fds=list(numbers.values()),
            start_new_session=True,
            preexec_fn=lambda: processes.confine(order["model_rlimits"]),
        )
        theirs.close()
        os.close(weights_fd)
        self._channel = Channel(ours.detach())
        keys = ("source", "vocab_size", "seq_len", "device", "threads", "batch_rows")
        self._channel.send({"type": "order", **{key: order[key] for key in keys}})

    def wait_until_built(self) -> None:
        """Wait for the model; raises Failure when the candidate cannot build it."""
        self._answer("built")

    def logits(self, ids: npt.NDArray[np.int64]) -> torch.Tensor:
        """Logits float32 [B, T, V] for token ids [B, T], B at most `batch_rows`: a copy of ours."""
        np.frombuffer(self._ids, dtype=np.int64).reshape(self._shape)[: len(ids)] = ids
        self._channel.send({"rows": len(ids)})
        self._answer("logits")
        shared = np.frombuffer(self._logits, dtype=np.float32).reshape(self._logits_shape)
        return torch.from_numpy(shared[: len(ids)].copy())

    def close(self) -> None:
        """End it at once."""
        self._child.kill()
        self._child.wait()

    def _answer(self, wanted: str) -> None:
        try:
            body = self._channel.receive()
        except (EOFError, ConnectionError, ValueError) as error:
            raise Failure("crash", "the model process ended while it was being scored") from error
        if body.get("type") == "failed" and body.get("status") in _STATUSES:
            reason = str(body.get("reason"))[:500]
            raise Failure(str(body["status"]), f"while being scored: {reason}")
        if body.get("type") != wanted:
            raise Failure("crash", "the model process broke the protocol while it was being scored")


def score(order: dict[str, Any], model: ModelProcess, shard: Path) -> dict[str, Any]:
    """val-bpb of `model` over every row of a shard, with the sums that it comes from."""
    rows = open_rows(shard, int(order["seq_len"]), order["dtype"])
    table = np.fromfile(order["token_bytes"], dtype=np.int32)
    token_bytes = torch.from_numpy(table.astype(np.int64))
    nats, n_bytes = 0.0, 0
    for block in _blocks(rows, int(order["batch_rows"])):
        logits = model.logits(np.ascontiguousarray(block[:, :-1]))
        if not bool(torch.isfinite(logits).all()):
            raise Failure("crash", "the model's logits are not finite")
        targets = torch.from_numpy(np.ascontiguousarray(block[:, 1:]))
        more_nats, more_bytes = nats_and_bytes(logits, targets, token_bytes)
        nats += more_nats
        n_bytes += more_bytes
    return {"val_bpb": bits_per_byte(nats, n_bytes), "nats": nats, "bytes": n_bytes}


def check_weights(path: Path, limit_bytes: int) -> None:
    """Refuse weights that are no plain, finite safetensors file; raises Failure."""
    size = path.stat().st_size
    if size == 0:
        raise Failure("crash", "it delivered no weights")
    if size > limit_bytes:
        raise Failure("invalid", f"its weights take more than {limit_bytes / 2**30:.1f} GiB")
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                tensor = file.get_tensor(name)
                if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                    raise Failure("crash", f"its weights are not finite ({name[:80]})")
    except SafetensorError as error:
        raise Failure("invalid", f"its weights are no safetensors file: {error}") from error


def _blocks(rows: npt.NDArray[Any], size: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield np.asarray(rows[start : start + size], dtype=np.int64)


def _memory(name: str, size: int) -> tuple[int, mmap.mmap]:
    number = os.memfd_create(name)
    os.ftruncate(number, size)
    return number, mmap.mmap(number, size)


def main() -> None:
    """Carry out one scoring order from the channel in argv, and answer on it."""
    channel = Channel(int(sys.argv[1]))
    order = channel.receive()
    began = time.monotonic()
    try:
        weights = Path(order["weights"])
        torch.set_num_threads(int(order["threads"]))
        model = ModelProcess(order, weights)
        try:
            check_weights(weights, int(order["weights_bytes"]))
            model.wait_until_built()
            result = score(order, model, Path(order["shard"]))
        finally:
            model.close()
        seconds = round(time.monotonic() - began, 3)
        channel.send({"type": "scored", "seconds": seconds, **result})
    except Failure as failure:
        channel.send({"type": "failed", "status": failure.status, "reason": failure.reason})


if __name__ == "__main__":
    main()
