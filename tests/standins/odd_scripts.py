"""Scripts that a command target may meet, each as the bytes of a file.

`write(name, folder)` puts one there. Their names say what is odd about them; `MISSING` are those
from which no score can be read.
"""

from __future__ import annotations

from pathlib import Path

TEN_LINES = """\
import random

LEARNING_RATE = 0.3
STEPS = 20
random.seed(0)
weight = 5.0
for step in range(STEPS):
    weight -= LEARNING_RATE * (2 * weight + random.gauss(0, 0.01))
    print(f"step {step}/{STEPS} | loss: {weight**2:.6f}")
print(f"val_loss: {weight**2:.6f}")
"""
_TRAINED = "LR = 0.1\nloss = (LR - 0.3) ** 2\n"

SCRIPTS: dict[str, bytes] = {
    "ten_lines": TEN_LINES.encode(),
    "tabs": b'LR = 0.1\nif LR:\n\tloss = (LR - 0.3) ** 2\n\tprint(f"val_loss: {loss:.6f}")\n',
    "windows_line_ends": TEN_LINES.replace("\n", "\r\n").encode(),
    "byte_order_mark": b"\xef\xbb\xbf" + TEN_LINES.encode(),
    "latin_1": b"# -*- coding: latin-1 -*-\nGR\xd6SSE = 3\n"
    b'print(f"val_loss: {1 / GR\xd6SSE:.4f}")\n',
    "no_constants": b'print(f"val_loss: {1 / 3:.4f}")\n',
    "syntax_error": b"LR = 0.1\nfor step in range(3)\n    print(LR)\n",
    "no_python": b"\x7fELF\x02\x01\x01\x00\x00\xff\xfe" * 10,
    "missing_metric": _TRAINED.encode() + b'print("done")\n',
    "two_metrics": (
        _TRAINED + 'print(f"val_loss: {loss:.6f}")\nprint(f"accuracy: {1 - loss:.6f}")\n'
    ).encode(),
    "printed_twice": (
        _TRAINED + 'print(f"val_loss: {2 * loss:.6f}")\nprint(f"val_loss: {loss:.6f}")\n'
    ).encode(),
    "accuracy": (_TRAINED + 'print(f"accuracy: {1 - loss:.6f}")\n').encode(),
    "not_a_number": _TRAINED.encode() + b"print(f\"val_loss: {float('nan')}\")\n",
    "on_stderr": (
        "import sys\n" + _TRAINED + 'print(f"val_loss: {loss:.6f}", file=sys.stderr)\n'
    ).encode(),
    "much_output": (
        _TRAINED
        + 'for _ in range(200):\n    print("x" * (1 << 20))\nprint(f"val_loss: {loss:.6f}")\n'
    ).encode(),
    "child_outlives": (
        "import subprocess\nimport sys\n"
        + _TRAINED
        + 'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])\n'
        'print(f"val_loss: {loss:.6f}", flush=True)\n'
    ).encode(),
    "daemon_outlives": (
        "import os\nimport time\n"
        + _TRAINED
        + "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n"
        '    os._exit(0)\nprint(f"val_loss: {loss:.6f}", flush=True)\n'
    ).encode(),
    "crash": b"LR = 0.1\nwidth = 1 / (LR - 0.1)\n",
    "crash_after_score": _TRAINED.encode()
    + b'print(f"val_loss: {loss:.6f}")\nraise ValueError("after the score")\n',
    "out_of_memory": b'LR = 0.1\nraise MemoryError("Unable to allocate 3.00 TiB")\n',
    "cuda_out_of_memory": b"LR = 0.1\nclass OutOfMemoryError(RuntimeError):\n    pass\n"
    b'raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")\n',
    "endless": b"import time\nLR = 0.1\nwhile True:\n    time.sleep(LR)\n",
    "writes_beside_itself": (
        _TRAINED + 'with open("checkpoint.bin", "wb") as file:\n    file.write(b"weights")\n'
        'print(f"val_loss: {loss:.6f}")\n'
    ).encode(),
}

MISSING = (
    "syntax_error",
    "no_python",
    "missing_metric",
    "not_a_number",
    "crash",
    "out_of_memory",
    "cuda_out_of_memory",
    "endless",
)


def write(name: str, folder: Path, file: str = "train.py") -> Path:
    """Write the script `name` as `file` into `folder`, which is made. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_bytes(SCRIPTS[name])
    return path
