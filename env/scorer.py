"""The scorer: owns the targets and the loss, and runs no candidate code.

It starts a model process in a sandbox, hands it token ids through shared memory, copies the logits
out, and computes val-bpb itself. A second, fresh model process then shows whether the first one's
predictions were honest (`audit.py`).
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from env import confine
from env.channel import Channel
from env.failure import Failure
from env.remote_model import RemoteModel

# An even guess takes less than 20; numbers beyond all measure would only harm who learns from them.
_WORST_BPB = 1000.0

# How the numbers of a safetensors type are stored, and which bits of them are the exponent.
_EXPONENTS = {
    "F64": ("<u8", 0x7FF << 52),
    "F32": ("<u4", 0xFF << 23),
    "F16": ("<u2", 0x1F << 10),
    "BF16": ("<u2", 0xFF << 7),
}
_AT_ONCE = 1 << 20


def score(order: dict[str, Any]) -> dict[str, Any]:
    """The score of delivered weights, and the sums that it comes from. Raises Failure."""
    with ExitStack() as models:
        model = models.enter_context(closing(RemoteModel(order, 0)))
        import numpy as np  # only now: the model's process starts meanwhile

        from env import bpb
        from env.audit import audit
        from env.shards import open_rows

        check_weights(Path(order["weights"]), int(order["weights_bytes"]))
        table = bpb.load_token_bytes(order["token_bytes"])
        seq_len, batch_rows, seed = (int(order[key]) for key in ("seq_len", "batch_rows", "seed"))
        rows = open_rows(order["shard"], seq_len, order["dtype"])
        model.wait_until_built()
        witness = models.enter_context(closing(RemoteModel(order, 1)))
        result = bpb.score(model.logits, rows, batch_rows, table, seed)
        _refuse_absurd(result.val_bpb)
        witness.wait_until_built()
        random = np.random.default_rng()  # nobody can foresee it, and no score depends on it
        audit(model.logits, witness.logits, rows, batch_rows, result.token_nats, random)
        sealed_bpb = None
        if order["sealed"] is not None:
            others = open_rows(order["sealed"], seq_len, order["dtype"])
            sealed_bpb = bpb.score(model.logits, others, batch_rows, table, seed).val_bpb
            _refuse_absurd(sealed_bpb)
    return {
        "val_bpb": result.val_bpb,
        "sealed_bpb": sealed_bpb,
        "nats": result.nats,
        "bytes": result.n_bytes,
    }


def _refuse_absurd(val_bpb: float) -> None:
    if not val_bpb <= _WORST_BPB:
        raise Failure("crash", f"its score is no number, or over {_WORST_BPB:g} bits per byte")


def check_weights(path: Path, limit_bytes: int) -> None:
    """Refuse weights that are no plain, finite safetensors file; raises Failure."""
    from safetensors import SafetensorError, safe_open

    size = path.stat().st_size
    if size == 0:
        raise Failure("crash", "it delivered no weights")
    if size > limit_bytes:
        raise Failure("invalid", f"its weights take more than {limit_bytes / 2**30:.1f} GiB")
    try:
        with safe_open(path, framework="numpy"):
            pass  # its header is sound, and says where in the file each tensor lies
        name = _not_finite(path)
    except (SafetensorError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise Failure("invalid", f"its weights are no safetensors file: {reason}") from error
    if name is not None:
        raise Failure("crash", f"its weights are not finite ({name[:80]})")


def _not_finite(path: Path) -> str | None:
    """The name of a tensor with an infinity or a NaN: a number whose exponent is all ones.

    Of the types that are not looked at, whatever is not finite shows in the logits.
    """
    import numpy as np

    content = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(content[:8].tobytes(), "little")
    for name, tensor in json.loads(content[8:start].tobytes()).items():
        if name == "__metadata__" or tensor["dtype"] not in _EXPONENTS:
            continue
        number, exponent = _EXPONENTS[tensor["dtype"]]
        first, end = tensor["data_offsets"]
        numbers = content[start + first : start + end].view(number)
        for at in range(0, len(numbers), _AT_ONCE):
            if ((numbers[at : at + _AT_ONCE] & exponent) == exponent).any():
                return str(name)
    return None


def main() -> None:
    """Carry out one scoring order from the channel in argv, and answer on it."""
    confine.hide()
    channel = Channel(int(sys.argv[1]))
    order = channel.receive()
    began = time.monotonic()
    try:
        result = score(order)
        seconds = round(time.monotonic() - began, 3)
        channel.send({"type": "scored", "seconds": seconds, **result})
    except Failure as failure:
        channel.send({"type": "failed", "status": failure.status, "reason": failure.reason})


if __name__ == "__main__":
    main()
