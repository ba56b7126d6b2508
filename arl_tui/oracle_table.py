"""The table of `bench oracle`, a line at a time and at most 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.oracle_bench import Row

HEADING = f"{'process':<19}{'rule':<16}{'stopped':>9}{'tries':>8}" + (
    f"{'wrong':>8}{'of stops':>10}{'missed':>8}\n"
)
LEGEND = """\
stopped: studies that the rule stopped; tries: until then, median.
wrong: studies that were stopped although the next experiments would have gained;
  of stops: as a share of those that were stopped.
missed: gains that came after a stop. All but the tries in %."""


def line(row: Row) -> str:
    """One rule under one process."""
    tries = "" if row.tries is None else f"{row.tries:.0f}"
    of_stops = "" if row.wrong_of_stops is None else f"{100 * row.wrong_of_stops:.1f}"
    text = f"{row.process:<19}{row.rule:<16}{100 * row.stopped:>9.1f}{tries:>8}"
    return f"{text}{100 * row.wrong:>8.1f}{of_stops:>10}{100 * row.missed:>8.1f}\n"
