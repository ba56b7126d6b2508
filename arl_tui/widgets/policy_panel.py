"""What the policy says of itself: how sure it is, how it learns, the sites that it favours."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from arl_tui.output import printable
from arl_tui.widgets.bars import bar
from arl_tui.widgets.panel import PublishedPanel, note
from state.records import Json

_NAMES = {  # cleanrl's names, in words, with a form for the number
    "entropy": ("entropy", "{:.2f} nats"),
    "approx_kl": ("KL", "{:.4f}"),
    "clipfrac": ("clipped", "{:.1%}"),
    "explained_variance": ("explained", "{:.1%}"),
}
_FIELD = 22  # columns of a name and its number
_LONGEST_SITE = 24


class PolicyPanel(PublishedPanel):
    """Entropy, KL, value, and the sites that the policy favours now."""

    def lines(self, width: int) -> Sequence[Text]:
        panel = self._panel
        if not isinstance(panel, dict):
            return [note("The policy has not said anything yet.")]
        lines = [_title(panel), *_fields(panel, width)]
        sites = [(printable(str(name)), float(share)) for name, share in panel.get("sites") or ()]
        if sites:
            lines += site_lines(sites, width)
        return lines


def site_lines(sites: Sequence[tuple[str, float]], width: int) -> list[Text]:
    """A bar for each site: the longest is the most favoured, the number its probability."""
    name_width = min(max(cell_len(name) for name, _ in sites), _LONGEST_SITE, width // 2)
    most = max(share for _, share in sites) or 1.0
    room = max(width - name_width - 8, 3)
    return [
        Text.assemble(
            (set_cell_size(name, name_width), "bold"),
            " ",
            (bar(share / most, room), "blue"),
            f"{100 * share:5.1f} %",
            no_wrap=True,
        )
        for name, share in sites
    ]


def _title(panel: Json) -> Text:
    line = Text(printable(str(panel.get("name", "policy"))), style="bold")
    updates = panel.get("updates")
    if updates is not None:
        line.append(f", {updates} update{'' if updates == 1 else 's'}", "not bold")
    return line


def _fields(panel: Json, width: int) -> list[Text]:
    fields = []
    for name, value in dict(panel.get("metrics") or {}).items():
        label, form = _NAMES.get(name, (name.replace("_", " "), "{:.4g}"))
        fields.append((printable(label), "-" if value is None else form.format(float(value))))
    if panel.get("value") is not None:
        fields.insert(2, ("value", f"{float(panel['value']):+.2f}"))
    columns = max((width + 1) // _FIELD, 1)  # the last one needs no gap
    lines = []
    for start in range(0, len(fields), columns):
        line = Text(no_wrap=True)
        for label, value in fields[start : start + columns]:
            line.append(label.ljust(12), "bold").append(value.replace("%", " %").ljust(_FIELD - 12))
        line.rstrip()
        lines.append(line)
    return lines
