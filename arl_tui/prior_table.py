"""What was tried before a study, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from arl_tui.output import one_line
from arl_tui.tables import STYLES
from state.records import PriorResult, Study

_KNOWN_STYLES: dict[str, str] = {str(status): style for status, style in STYLES.items()}


def prior_lines(
    results: Sequence[PriorResult], study: Study, columns: int, last: int | None = None
) -> list[Text]:
    """A title, a header and one line for each result, at most `columns` wide.

    With `last` only the last ones are listed, and a line says how many come before them.
    """
    shown = results if last is None else results[-last:]
    metric = one_line(study.metric)[:12]
    title = f"before this study, from {_origin(study)}: not comparable with its scores"
    head = f"{'':>6}  {'status':<11}  {metric:>12}  {'MiB':>8}  {'commit':<9}  "
    lines = [Text(_clipped(title, columns), style="bold"), Text(head + "description")]
    if len(shown) < len(results):
        lines.append(Text(f"{len(results) - len(shown)} earlier ones: arl-tui history --prior"))
    for result in shown:
        line = Text(f"{result.position + 1:>6}  ")
        line.append(_cells(result.status, 11), _KNOWN_STYLES.get(result.status, ""))
        line.append(f"  {_number(result.score, 12):>12}  {_number(result.memory_mb, 8):>8}  ")
        line.append(_cells(result.commit, 9) + "  ")
        line.append(_clipped(one_line(result.description), columns - len(head)))
        lines.append(line)
    return lines


def _origin(study: Study) -> str:
    """The name of the file that they came from, if the study's settings still say it."""
    target = study.settings.get("target") if isinstance(study.settings, dict) else None
    history = target.get("history") if isinstance(target, dict) else None
    return one_line(PurePath(history).name) if history else "a results.tsv"


def _number(value: float | None, width: int) -> str:
    """A number in at most so many characters."""
    if value is None:
        return "-"
    text = f"{value:.6g}"
    return text if len(text) <= width else f"{value:.1e}"


def _cells(text: str, width: int) -> str:
    """Text that fills so many columns."""
    return set_cell_size(_clipped(one_line(text), width), width)


def _clipped(text: str, columns: int) -> str:
    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, max(columns - 1, 0)).rstrip() + "…"
