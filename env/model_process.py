"""The model process: a candidate's `build_model` with the delivered weights.

Token ids in, logits out. It runs in the sandbox, sees no target but what the ids themselves show,
and is thrown away after one scoring. Ids and logits travel through shared memory that the scorer
owns.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from env.channel import Channel
from env.failure import Failure
from env.harness import built_model, failure_of, load_candidate, seed_everything


def _build(order: dict[str, Any], weights: bytes) -> torch.nn.Module:
    # The seed of the training, so that buffers that are no weights come out the same.
    seed_everything(int(order["seed"]), int(order["threads"]))
    module = load_candidate(order["source"])
    model = built_model(module, int(order["vocab_size"]), int(order["seq_len"]))
    model.load_state_dict(load(weights), strict=True)
    return model.to(order["device"]).eval()


def _serve(order: dict[str, Any], channel: Channel, model: torch.nn.Module) -> None:
    shape = (int(order["batch_rows"]), int(order["seq_len"]))
    ids = np.memmap(_shared(3, "rb"), dtype=np.int64, mode="r", shape=shape)
    out_shape = (*shape, int(order["vocab_size"]))
    shared = np.memmap(_shared(4, "r+b"), dtype=np.float32, mode="r+", shape=out_shape)
    out = torch.from_numpy(shared)
    channel.send({"type": "built"})
    while True:
        rows = int(channel.receive()["rows"])
        with torch.inference_mode():
            logits = model(torch.from_numpy(np.array(ids[:rows])).to(order["device"]))
        wanted = (rows, *out_shape[1:])
        if not isinstance(logits, torch.Tensor) or logits.shape != wanted:
            got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise Failure("crash", f"forward must return logits of shape {wanted}, not {got}")
        out[:rows].copy_(logits)
        channel.send({"type": "logits"})


def _shared(argument: int, mode: str) -> Any:
    number = int(sys.argv[argument])
    os.set_inheritable(number, False)
    return os.fdopen(number, mode)


def main() -> None:
    """argv: the descriptors of the channel, the weights, the token ids and the logits."""
    channel = Channel(int(sys.argv[1]))
    order = channel.receive()
    try:
        with _shared(2, "rb") as file:
            weights = file.read()
        _serve(order, channel, _build(order, weights))
    except EOFError:
        os._exit(0)  # the scorer has all that it wanted
    except BaseException as error:  # also SystemExit, and whatever the candidate invents
        traceback.print_exc()
        sys.stderr.flush()
        failure = failure_of(error)
        channel.send({"type": "failed", "status": failure.status, "reason": failure.reason})
        os._exit(1)


if __name__ == "__main__":
    main()
