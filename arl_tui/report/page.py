"""The report as HTML text: one file that needs nothing else, and runs nothing but its own script.

Everything that comes from the study is made printable and escaped on its way into the page. The
page's own policy names the hash of its script and allows no other, and nothing from outside.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from arl_tui.output import printable
from arl_tui.report import chart
from arl_tui.report.content import DETAILED, LOGGED, read_report
from state.archive import Archive
from state.records import STATUSES

_PIECES = 500  # of the template, written at once
_LEGEND: dict[str, str] = {
    **{status: status for status in STATUSES},
    "rerun": "the best again",
    "abort": "abort: hopeless, ended early",
    "oom": "oom: out of memory",
    "invalid": "invalid: refused before it ran",
    "veto": "veto: refused by a person",
}


def report_html(
    archive: Archive, *, detailed: int = DETAILED, logged: int = LOGGED
) -> Iterator[str]:
    """The page of a study in pieces, with so many diffs and ends of logs at most."""
    style, script = _asset("report.css"), _asset("report.js")
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    template = Environment(
        autoescape=True, finalize=_printable, undefined=StrictUndefined, keep_trailing_newline=True
    ).from_string(_asset("report.html.j2"))
    stream = template.stream(
        report=read_report(archive, detailed=detailed, logged=logged),
        legend=_LEGEND,
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        version=version("arl-tui"),
        width=chart.WIDTH,
        height=chart.HEIGHT,
        left=chart.LEFT,
        right=chart.RIGHT,
        top=chart.TOP,
        bottom=chart.BOTTOM,
        rail=chart.RAIL,
    )
    stream.enable_buffering(_PIECES)
    yield from stream


def _printable(value: Any) -> Any:
    """What a template puts out, without control characters; markup is ours and stays."""
    return printable(value) if type(value) is str else value


def _asset(name: str) -> str:
    return (resources.files("arl_tui.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
