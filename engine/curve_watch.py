"""A running experiment under self-evaluation: its losses come in, and it may be found hopeless."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.calibration import Calibration, Forecast, Seen
from engine.forecast import SmoothedCurve
from engine.score_words import BPB_WORDS, ScoreWords
from state.records import Evaluation, Look

_LATEST = 0.95  # of the budget: an abort after that saves nothing
# An experiment that has reported so often, and then is silent for so long, has stalled.
_STALL_REPORTS = 5
_STALL_SECONDS = 60.0
_STALL_INTERVALS = 20.0  # times the longest wait so far


class Watch:
    """One running experiment: takes its reports, and says when it is hopeless."""

    def __init__(
        self,
        shares: Sequence[float],
        calibration: Calibration,
        rule: Callable[[Sequence[Look], float | None], bool],
        threshold: Callable[[Forecast], float | None],
        *,
        may_abort: bool,
        audit_probability: float,
        audited: bool,
        clock: Callable[[], float] = time.monotonic,
        words: ScoreWords = BPB_WORDS,
    ) -> None:
        """`shares` of the budget are looked at; `may_abort`: it is a candidate."""
        self._shares = shares
        self._calibration = calibration
        self._rule = rule
        self._threshold = threshold
        self._may_abort = may_abort
        self._audit_probability = audit_probability
        self._audited = audited
        self._clock = clock
        self._words = words
        self._curve = SmoothedCurve()
        self._looks: list[Look] = []
        self._next = 0  # look
        self._condemned_at: float | None = None
        self._last_report: float | None = None
        self._longest_wait = 0.0
        self._reports = 0
        self.reason: str | None = None  # why it is to be aborted, once it is

    @property
    def look(self) -> Look | None:
        """The newest look."""
        return self._looks[-1] if self._looks else None

    def report(self, progress: float, loss: float) -> str | None:
        """Take in a loss; the reason to abort the experiment, if there is one now."""
        now = self._clock()
        if self._last_report is not None:
            self._longest_wait = max(self._longest_wait, now - self._last_report)
        self._last_report = now
        self._reports += 1
        while self._next < len(self._shares) and progress > self._shares[self._next]:
            self._take_look(judges=progress < _LATEST)
        self._curve.add(progress, loss)
        if self._may_abort and self.reason is None and self._curve.diverged:
            unit = "" if self._words.metric.self_reported else " nats"
            self.reason = f"diverged: the loss is {loss:.2f}{unit} at {progress:.0%} of the budget"
        return self.reason

    def stalled(self) -> str | None:
        """The reason to abort an experiment that used to report and has stopped, or None."""
        if not self._may_abort or self._reports < _STALL_REPORTS or self._last_report is None:
            return None
        silent = self._clock() - self._last_report
        if silent <= max(_STALL_SECONDS, _STALL_INTERVALS * self._longest_wait):
            return None
        self.reason = self.reason or (
            f"stalled: no report for {silent:.0f} s, after one every {self._longest_wait:.1f} s "
            "at most"
        )
        return self.reason

    def evaluation(self) -> Evaluation | None:
        """What was seen, for the record; None for nothing."""
        if not self._looks:
            return None
        condemned = self._condemned_at is not None
        return Evaluation(
            looks=tuple(self._looks),
            condemned_at=self._condemned_at,
            audit_probability=self._audit_probability if condemned else None,
            audited=condemned and self._audited,
        )

    def finish(self) -> Evaluation | None:
        """Take the looks that sparse reports have left out: it has trained to its end."""
        while self._next < len(self._shares):
            self._take_look(judges=False)
        return self.evaluation()

    def _take_look(self, *, judges: bool) -> None:
        number, share = self._next, self._shares[self._next]
        self._next += 1
        seen = self._curve.look(share)
        if seen is None:
            return
        look = Look(progress=share, level=seen[0], tail=seen[1])
        forecast = self._calibration.forecast(number, seen)
        if forecast is not None:
            threshold = self._threshold(forecast) if self._may_abort else None
            look = replace(
                look, forecast=forecast.score, spread=forecast.spread, threshold=threshold
            )
        self._looks.append(look)
        if judges:
            self._judge(number, seen, look)

    def _judge(self, number: int, seen: Seen, look: Look) -> None:
        forecast, spread, limit = look.forecast, look.spread, look.threshold
        if forecast is None or spread is None or limit is None:
            return
        if self._condemned_at is not None or self.reason is not None:
            return
        if self._rule(self._looks, self._calibration.excess(number, seen, limit)):
            self._condemned_at = look.progress
            if not self._audited:
                words = self._words
                self.reason = (
                    f"hopeless at {look.progress:.0%} of the budget: forecast "
                    f"{words.score(forecast)} +- {words.spread(spread, forecast)}, "
                    f"threshold {words.score(limit)}"
                )
