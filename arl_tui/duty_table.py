"""The table of `bench duty`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arl_tui.timing_words import WORDS, sorted_parts

if TYPE_CHECKING:
    from engine.duty_bench import Duty

DUTY_LEGEND = """\
Wall seconds of an experiment by part, the mean of all but the first one.
training: from its first step to its deadline; duty cycle: the share of the time in which the
  slot trained, from the end of the first training to the end of the last.
score: the engine scores while the next one trains."""
_LABEL, _NUMBER = 44, 14


def duty_lines(engine: Duty, plain: Duty) -> list[str]:
    """The parts of both loops side by side, and what comes of them."""
    lines = [f"{'':<{_LABEL}}{engine.name:>{_NUMBER}}{plain.name:>{_NUMBER}}"]
    for part in sorted_parts([*engine.parts, *plain.parts]):
        numbers = "".join(
            f"{one.parts[part]:>{_NUMBER}.2f}" if part in one.parts else f"{'':>{_NUMBER}}"
            for one in (engine, plain)
        )
        lines.append(f"{WORDS.get(part, part):<{_LABEL}}{numbers}".rstrip())
    both = (engine, plain)
    shares = "".join(f"{100 * one.duty:>{_NUMBER - 2}.1f} %" for one in both)
    hourly = "".join(f"{one.per_hour:>{_NUMBER}.0f}" for one in both)
    ratio = f"{engine.duty / plain.duty:.2f}" if plain.duty else "-"
    faster = f"{engine.per_hour / plain.per_hour:.2f}" if plain.per_hour else "-"
    lines += ["", f"{'duty cycle':<{_LABEL}}{shares}   ratio {ratio}"]
    lines.append(f"{'experiments per hour':<{_LABEL}}{hourly}   ratio {faster}")
    return lines
