"""The devices: what each is doing, and what its slots waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from arl_tui.output import printable
from arl_tui.widgets.bars import sparkline
from arl_tui.widgets.flow import flow
from arl_tui.widgets.panel import Panel, heading, note
from state.present import DeviceSample
from state.records import Json

_LABEL, _VALUE = 7, 17  # columns
_GB = 1000.0  # MB
_HOTTEST = 100.0  # degrees Celsius at the top of the scale
_PHASES = (("training", "█", "green"), ("starting", "▓", "yellow"), ("scoring", "▒", "cyan"))
_REST = ("░", "red")
_RESTS = {  # what else a slot does, in words
    "recording": "recording the outcome",
    "proposing": "waiting for the policy",
    "review": "waiting for a review",
    "paused": "paused",
    "waiting": "waiting",
}
_LEAST = 0.001  # a share that is worth a word


class Devices(Panel):
    """Utilisation, memory, power and temperature of each device, and its slots' duty cycle."""

    def __init__(self, title: str, id: str | None = None) -> None:
        super().__init__(title, id)
        self._samples: Mapping[str, Sequence[DeviceSample]] = {}
        self._slots: Sequence[Json] = ()
        self._contention = ""

    def show(
        self, samples: Mapping[str, Sequence[DeviceSample]], slots: Json, contention: str = ""
    ) -> None:
        """Show samples by device, oldest first, and the panel `slots` if there is one.

        `contention` is a sentence about trials that share the processors, while they do.
        """
        self._contention = contention
        self._samples = samples
        self._slots = slots.get("slots", ()) if isinstance(slots, dict) else ()
        self.write()

    def lines(self, width: int) -> Sequence[Text]:
        lines: list[Text] = []
        names = dict.fromkeys([*self._samples, *(str(one.get("device")) for one in self._slots)])
        for name in names:
            if len(names) > 1:
                lines.append(heading(printable(name), width))
            lines += device_lines(self._samples.get(name, ()), width)
            lines += [
                line
                for one in self._slots
                if str(one.get("device")) == name
                for line in duty_lines(one, width)
            ]
        if self._contention:
            lines.append(Text(printable(self._contention), style="yellow"))
        return lines or [note("No device has been looked at yet.")]


def device_lines(samples: Sequence[DeviceSample], width: int) -> list[Text]:
    """A sparkline for each thing that the device can tell."""
    if not samples:
        return []
    last = samples[-1]
    lines = []
    room = max(width - _LABEL - _VALUE, 4)
    if last.utilisation is not None:
        lines.append(_line("busy", [s.utilisation for s in samples], 1.0, room, _share(last)))
    if last.memory_mb is not None:
        used = [s.memory_mb for s in samples]
        top = last.memory_total_mb or max(value or 0.0 for value in used)
        lines.append(_line("memory", used, top, room, _memory(last)))
    if last.power_w is not None:
        drawn = [s.power_w for s in samples]
        top = max(value or 0.0 for value in drawn)
        lines.append(_line("power", drawn, top, room, f"{last.power_w:.0f} W"))
    if last.temperature_c is not None:
        heat = [s.temperature_c for s in samples]
        lines.append(_line("temp", heat, _HOTTEST, room, f"{last.temperature_c:.0f} °C"))
    return lines


def duty_lines(slot: Json, width: int) -> list[Text]:
    """How a slot has spent its time so far: a bar in parts, and the parts in words."""
    seconds = {str(name): float(value) for name, value in dict(slot.get("seconds") or {}).items()}
    spent = sum(seconds.values())
    if spent <= 0:
        return []
    room = left = max(width - _LABEL, 4)
    strip = Text(f"slot {slot.get('slot')}".ljust(_LABEL), style="bold", no_wrap=True)
    words = []
    for name, glyph, style in _PHASES:
        share = seconds.pop(name, 0.0) / spent
        cells = min(round(share * room), left)
        left -= cells
        strip.append(glyph * cells, f"not bold {style}")
        words.append(Text.assemble((f"{glyph} ", style), f"{name} {100 * share:.1f} %"))
    glyph, style = _REST
    strip.append(glyph * left, f"not bold {style}")
    for name, value in sorted(seconds.items(), key=lambda item: -item[1]):
        if value / spent >= _LEAST:
            what = printable(_RESTS.get(name, name))
            words.append(Text.assemble((f"{glyph} ", style), f"{what} {100 * value / spent:.1f} %"))
    return [strip, *flow(words, width)]


def _line(label: str, values: Sequence[float | None], top: float, room: int, value: str) -> Text:
    return Text.assemble(
        (label.ljust(_LABEL), "bold"),
        (sparkline(values, top, room), "cyan"),
        value.rjust(_VALUE),
        no_wrap=True,
    )


def _share(last: DeviceSample) -> str:
    return "" if last.utilisation is None else f"{100 * last.utilisation:.0f} %"


def _memory(last: DeviceSample) -> str:
    used, total = last.memory_mb or 0.0, last.memory_total_mb
    if max(used, total or 0.0) < _GB:
        return f"{used:.0f} MB" if total is None else f"{used:.0f} / {total:.0f} MB"
    return f"{used / _GB:.1f} GB" if total is None else f"{used / _GB:.1f} / {total / _GB:.1f} GB"
