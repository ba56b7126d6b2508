"""When the study ends by itself: each criterion as a bar towards its limit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from arl_tui.output import printable
from arl_tui.widgets.bars import bar
from arl_tui.widgets.panel import Panel, note
from state.records import Json

_CLOSE = 0.9


class OraclePanel(Panel):
    """The criteria that may end the study."""

    def __init__(self, title: str, id: str | None = None) -> None:
        super().__init__(title, id)
        self._readings: Sequence[Json] = ()

    def show(self, panel: Json) -> None:
        """Show the panel `oracle`, or that there is none."""
        self._readings = panel.get("readings", ()) if isinstance(panel, dict) else ()
        self.write()

    def lines(self, width: int) -> Sequence[Text]:
        if not self._readings:
            return [note("Nothing limits the study yet.")]
        names = [printable(str(one.get("name", ""))) for one in self._readings]
        name_width = min(max(map(cell_len, names)), width // 2)
        lines = []
        for name, one in zip(names, self._readings, strict=True):
            lines.append(_line(set_cell_size(name, name_width), one, width - name_width - 8))
            lines.append(note(printable(str(one.get("sentence", "")))))
        return lines


def _line(name: str, reading: Json, room: int) -> Text:
    used, stop = reading.get("used"), bool(reading.get("stop"))
    if used is None:
        return Text.assemble((name, "bold"), " -", no_wrap=True)
    style = "red" if stop else "yellow" if used >= _CLOSE else "green"
    value = "STOP" if stop else f"{100 * min(used, 9.99):.0f} %"
    return Text.assemble(
        (name, "bold"),
        " ",
        (bar(used, max(room, 3)), style),
        (value.rjust(7), "bold red" if stop else ""),
        no_wrap=True,
    )
