"""Reads what a command prints, line by line: its score, its peak memory, and how far it is.

What it prints may be anything of any length: lines are cut, and nothing is kept but the last match
of each pattern. Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

LINE_CHARACTERS = 4096  # of a line; what comes after is not looked at
TEXT_CHARACTERS = 100  # of what a pattern found
_LINE_BYTES = 4 * LINE_CHARACTERS  # a character takes four at most

# Colours, cursor movements, titles and links: control sequences of ECMA-48.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")


class PatternTooSlow(Exception):
    """A pattern has searched one block of output for too long."""


class OutputScan:
    """What a command's output says, as it comes in blocks of any size."""

    def __init__(
        self,
        output: Mapping[str, Any],
        elapsed: Callable[[], float],
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        """`output` as written by `engine.command_order`: regular expressions or None.

        `elapsed` are the seconds since the command's start. `say` gets a `ready` message at the
        first line of progress, and a `report` for the newest one of each block that has lines of
        progress. Raises re.error for a pattern that is none.
        """
        self._elapsed = elapsed
        self._say = say
        self._seconds = float(output["seconds"])
        self._score = _Last(output["score"])
        self._memory = _Last(output["memory"])
        self._progress = None if output["progress"] is None else re.compile(output["progress"])
        self._line = bytearray()  # the beginning of a line that has not ended
        self._after_return = False  # whether a line feed would belong to the line before
        self._trains = False
        self._lines = 0  # of progress, where it is not numbered
        self._furthest = 0.0

    def write(self, block: bytes) -> None:
        """Read a block of output. Lines end with a line feed, a carriage return, or both.

        At the end of all output, write a line feed: a last line may have no end.
        """
        if not block:
            return
        if self._after_return and block.startswith(b"\n"):
            block = block[1:]
        self._after_return = block.endswith(b"\r")
        end = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
        if end:
            whole = bytes(self._line) + block[:end]
            self._line.clear()
            self._read(whole)
        room = _LINE_BYTES - len(self._line)
        self._line += block[end : end + room]

    def found(self) -> dict[str, Any]:
        """The fields `score`, `memory` and `scores`: the last texts, and how many scores."""
        found: dict[str, Any] = {}
        if self._score.text is not None:
            found |= {"score": self._score.text, "scores": self._score.count}
        if self._memory.text is not None:
            found["memory"] = self._memory.text
        return found

    def _read(self, whole: bytes) -> None:
        """Read lines that all have ended."""
        text = whole.decode("utf-8", "replace")
        if "\x1b" in text:
            text = _CONTROL.sub("", text)
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        del lines[-1]  # there is nothing behind the last line's end
        lines = [line[:LINE_CHARACTERS] for line in lines]
        self._score.look(lines)
        self._memory.look(lines)
        if self._progress is not None:
            self._look_for_progress(self._progress, lines)

    def _look_for_progress(self, pattern: re.Pattern[str], lines: list[str]) -> None:
        numbered = "step" in pattern.groupindex
        newest = None
        # Where lines have numbers the newest is enough; else they are counted.
        for match in filter(None, map(pattern.search, reversed(lines))):
            found = match.groupdict()
            loss = _number(found.get("loss"))
            if loss is not None:
                newest = newest or (loss, found)
                self._lines += 1
                if numbered:
                    break
        if newest is not None:
            if not self._trains:
                self._trains = True
                self._say({"type": "ready"})
            self._report(*newest)

    def _report(self, loss: float, found: Mapping[str, str | None]) -> None:
        step, total = _number(found.get("step")), _number(found.get("total"))
        percent = _number(found.get("percent"))
        if percent is not None and math.isfinite(percent):
            progress = percent / 100.0
        elif step is not None and total is not None and step < math.inf and 0 < total < math.inf:
            progress = step / total
        else:
            progress = self._elapsed() / self._seconds
        self._furthest = max(self._furthest, min(1.0, max(0.0, progress)))
        if math.isfinite(loss):  # the engine would not take another
            at = self._lines if step is None or not math.isfinite(step) else int(step)
            self._say({"type": "report", "step": at, "loss": loss, "progress": self._furthest})


class _Last:
    """The last match of a pattern, and how many lines matched."""

    def __init__(self, pattern: str | None) -> None:
        self._search = None if pattern is None else re.compile(pattern).search
        self.text: str | None = None
        self.count = 0

    def look(self, lines: list[str]) -> None:
        if self._search is None:
            return
        matches = [match for match in map(self._search, lines) if match]
        if matches:
            self.count += len(matches)
            last = matches[-1]
            groups = (group for group in last.groups() if group is not None)
            self.text = next(groups, last.group())[:TEXT_CHARACTERS]


def _number(text: str | None) -> float | None:
    """A number as scripts print it, with separators; None where it is none."""
    if text is None:
        return None
    try:
        return float(text.replace(",", "").replace("_", "").strip().rstrip("%"))
    except ValueError:
        return None
