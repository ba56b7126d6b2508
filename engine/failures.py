"""What keeps failing: streaks of candidates, and of runs of the incumbent, without a score.

Policies explore, so that some candidates fail, and now and then several in a row. A long streak,
or a source that has scored before and now fails twice, says that something is wrong with the
machine, the data or the rules, and that going on would burn the night.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from state.records import Kind, Status

FAILURES: frozenset[Status] = frozenset({"crash", "timeout", "oom", "invalid"})
_WORDS = 160  # of a reason in a sentence, in characters
_KEPT = 1000  # failures of a streak that are told apart


@dataclass(frozen=True)
class Failure:
    """How one run failed."""

    status: Status
    reason: str

    @cached_property
    def essence(self) -> str:
        """Equal for failures that are in essence the same: numbers in it do not count."""
        if self.status == "oom":
            return "oom"
        plain = re.sub(r"0x[0-9a-f]+|\d+(?:\.\d+)?", "#", self.reason.lower())
        return f"{self.status} {' '.join(plain.split())[:200]}"

    def __str__(self) -> str:
        text = " ".join(self.reason.split())
        text = text if len(text) <= _WORDS else f"{text[: _WORDS - 1]}…"
        return f"{self.status} ({text})" if text else self.status


@dataclass
class Streaks:
    """The failures in a row, oldest first: of candidates, and of re-runs of the incumbent.

    What scored ends a streak, and so does a candidate that was aborted as hopeless; a veto or an
    interruption does not.
    """

    candidates: list[Failure] = field(default_factory=list)
    reruns: list[Failure] = field(default_factory=list)

    def take(self, kind: Kind, status: Status, reason: str) -> None:
        """Take in how a run ended; a confirmation says nothing of either."""
        if kind == "confirmation":
            return
        candidate = kind == "candidate"
        streak = self.candidates if candidate else self.reruns
        # What has scored before and now has to be aborted has failed.
        if status in FAILURES or (status == "abort" and not candidate):
            streak.append(Failure(status, reason))
            del streak[:-_KEPT]
        elif status != "veto":
            streak.clear()

    @property
    def alike(self) -> int:
        """How many of the last candidates have failed for what is in essence one reason."""
        count = 0
        for failure in reversed(self.candidates):
            if failure.essence != self.candidates[-1].essence:
                break
            count += 1
        return count

    def commonest(self) -> tuple[Failure, int]:
        """What fails most often in the streak of candidates, as it was last, and how often."""
        essence, count = Counter(one.essence for one in self.candidates).most_common(1)[0]
        return next(one for one in reversed(self.candidates) if one.essence == essence), count
