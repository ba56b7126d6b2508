"""The tables of `bench acceptance`, a line at a time and at most 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.acceptance_bench import Row
    from engine.drift_bench import DriftRow

RULES_LEGEND = """\
after: edits that follow the start, or a true gain of 3 sigma that was promoted.
false, bound: studies of no-op edits with any promotion, and its upper 95 % bound, in %.
2sigma ...: single true gains of that size that are promoted, in %.
conf, sent: confirmation runs and sentinels per 100 no-op edits.
inc: further runs of the incumbent per study."""
DRIFT_HEADING = f"{'noise':<9}{'drift':>6}{'alarm':>7}{'bound':>7}{'found':>7}{'delay':>7}" + (
    f"{'false':>7}{'without':>9}\n"
)
DRIFT_LEGEND = """\
drift: by how many sigma every score moves in the middle of a study of no-op edits.
alarm: studies with an alarm before that; bound: upper 95 % bound of studies with any
  alarm where nothing moves. found: studies with an alarm after it. All in %.
delay: experiments from the drift until it is found, median.
false, without: studies with a false promotion after it, with and without the drift
  test, in %."""


def rule_heading() -> str:
    """The first line of the table of keep rules."""
    from engine.acceptance_bench import GAINS

    powers = "".join(f"{f'{gain:g}sigma':>7}" for gain in GAINS)
    head = f"{'rule':<17}{'noise':<9}{'after':<6}{'false':>6}{'bound':>6}{powers}"
    return f"{head}{'conf':>5}{'sent':>5}{'inc':>4}\n"


def rule_line(row: Row) -> str:
    """One keep rule under one kind of noise."""
    after = "gain" if row.promoted else "start"
    line = f"{row.rule:<17}{row.noise:<9}{after:<6}"
    line += f"{100 * row.false:>6.1f}{100 * row.false_bound:>6.1f}"
    line += "".join(f"{100 * share:>7.1f}" for share in row.power.values())
    line += f"{row.confirmations_per_100:>5.1f}{row.sentinels_per_100:>5.1f}"
    return f"{line}{row.incumbent_reruns:>4.1f}\n"


def drift_line(row: DriftRow) -> str:
    """One size of drift under one kind of noise."""
    bound = "" if row.alarm_bound is None else f"{100 * row.alarm_bound:.1f}"
    delay = "" if row.delay is None else f"{row.delay:.0f}"
    line = f"{row.noise:<9}{row.shift:>+6.0f}{100 * row.alarms:>7.1f}{bound:>7}"
    line += f"{100 * row.found:>7.1f}{delay:>7}{100 * row.false:>7.1f}"
    return f"{line}{100 * row.false_without:>9.1f}\n"
