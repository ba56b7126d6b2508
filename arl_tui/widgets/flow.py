"""Short texts one after another, in as few lines as they need."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

_GAP = "  "


def flow(parts: Iterable[Text], width: int) -> list[Text]:
    """The parts in lines of at most so many columns; a part is never broken."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(_GAP) + part.cell_len <= width:
            lines[-1].append(_GAP).append_text(part)
        else:
            lines.append(Text(no_wrap=True).append_text(part))
    return lines
