"""Processes that keep some processors busy, as another person's program would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# The parent ends at once, so that nobody takes the child for a process of the bench. Stdin is a
# lifeline: the child looks at it every few milliseconds, and ends with whoever holds the other end.
_HOG = """\
import os, select
if os.fork():
    os._exit(0)
os.write(1, b"!")
os.close(1)
while not select.select([0], [], [], 0)[0]:
    for _ in range(100_000):
        pass
"""


@contextmanager
def hogs(count: int) -> Iterator[None]:
    """Keep `count` processors busy while inside. Raises OSError."""
    with ExitStack() as ends:
        for _ in range(count):
            ends.enter_context(_hog())
        yield


@contextmanager
def _hog() -> Iterator[None]:
    began, begin = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _HOG],
        stdin=subprocess.PIPE,
        stdout=begin,
        start_new_session=True,
    ):
        os.close(begin)
        try:
            os.read(began, 1)  # it is busy, or has failed: then what is measured shows it
        finally:
            os.close(began)
        yield
    # Leaving the process's context has closed its stdin.
