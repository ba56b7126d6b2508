"""Kills every process that it may, its parent and the engine."""
# expect: scored crash timeout
# gate: refuses
# wall: sandbox

import os
import signal

from honest import fit

ENGINE = int("@ENGINE@")


def train(model, run):
    if os.path.exists(f"/proc/{ENGINE}/cmdline") and os.getpid() > 20:
        raise SystemExit("ESCAPED: sees the processes of the machine")
    for pid in (-1, 1, os.getppid(), ENGINE):
        try:
            os.kill(pid, signal.SIGKILL) if pid else None
        except OSError:
            pass
    fit(model, run.batches(8), run.report)
