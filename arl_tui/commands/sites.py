"""The command `sites`: what an agent may edit in a script, and what it may not break."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from arl_tui.commands.reading import AsJson
from arl_tui.exits import CommandError, Exit
from arl_tui.output import emit, emit_json, narrate, one_line
from target import lattice
from target.constraints import Constraint, constraints
from target.imported import modules_beside
from target.literal import Value
from target.sites import Site, find_sites
from target.source import SourceError, read

_WIDEST = 34  # of a column
_NEAR = 2  # steps to either side that are shown
_HOLDS = {True: "holds", False: "fails", None: "unknown"}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(sites)


def sites(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The script.")],
    as_json: AsJson = False,
) -> None:
    """List what an agent may edit in a script, and the asserts that it will respect."""
    try:
        source = read(file)
        found = find_sites(source)
        modules = modules_beside(file)
        rules = constraints(source, modules)
    except SourceError as error:
        raise CommandError(f"{str(error)[:1].upper()}{str(error)[1:]}.", Exit.TARGET) from None
    if as_json:
        emit_json(
            {
                "sites": [_site(site) for site in found],
                "constraints": [_constraint(rule) for rule in rules],
                "modules": sorted(modules),
            }
        )
    else:
        for line in [*_site_lines(found), *_constraint_lines(rules)]:
            emit(f"{line}\n")
    if not found:
        raise CommandError(
            "The script has no sites: give it constants to change, such as `DEPTH = 4` at top"
            " level (docs/sites.md says what else is found).",
            Exit.TARGET,
        )
    if not as_json:
        narrate(f"{len(found)} sites, {_understood(rules)}.")


def _site(site: Site) -> dict[str, object]:
    values = asdict(site)
    values["choices"] = list(site.choices)
    values["operations"] = list(site.operations)
    return values | {"near": list(lattice.span(site, _NEAR))}


def _constraint(rule: Constraint) -> dict[str, object]:
    return {
        "module": rule.module or None,
        "line": rule.line,
        "text": rule.text,
        "holds": rule.holds,
        "values": dict(rule.values),
    }


def _site_lines(found: Sequence[Site]) -> Iterator[str]:
    rows = [
        (str(site.line), site.id, site.kind, _show(site.value), _range(site), site.comment)
        for site in found
    ]
    if rows:
        yield from _table([("line", "site", "kind", "value", "may become", "comment"), *rows])


def _range(site: Site) -> str:
    if site.choices:
        return " | ".join(_show(choice) for choice in site.choices)
    if site.low is not None and site.high is not None:
        return f"{_show(site.low)}..{_show(site.high)}" + (" log" if site.log else "")
    near = lattice.span(site, _NEAR)
    return ", ".join(map(_show, near)) + ("" if site.kind == "bool" else ", ...")


def _constraint_lines(rules: Sequence[Constraint]) -> Iterator[str]:
    rows = [
        (
            f"{rule.module}:{rule.line}" if rule.module else str(rule.line),
            _HOLDS[rule.holds],
            rule.text,
            ", ".join(f"{name} is {value}" for name, value in rule.values),
        )
        for rule in rules
    ]
    if rows:
        yield ""
        yield from _table([("line", "now", "constraint", "values"), *rows])


def _understood(rules: Sequence[Constraint]) -> str:
    known = sum(rule.holds is not None for rule in rules)
    if not rules:
        return "no asserts"
    return f"{known} of {len(rules)} asserts understood"


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [min(_WIDEST, max(len(row[i]) for row in cells)) for i in range(len(cells[0]))]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _show(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
