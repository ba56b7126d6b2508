"""Edits: one or a few changes to sites, applied to a script without touching anything else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from target.literal import Value, same
from target.sites import Found, Operation, Site, Splice, locate


class EditError(ValueError):
    """An edit that does not fit its script."""


@dataclass(frozen=True)
class Change:
    """A site, by its id, takes `value`. The value of a deletion is "off"."""

    site: str
    operation: Operation
    value: Value


@dataclass(frozen=True)
class Edit:
    """What an agent does to a script: at least one change, no site twice."""

    changes: tuple[Change, ...]

    def to_json(self) -> str:
        """The edit as JSON text, which `from_json` reads back."""
        changes = [asdict(change) for change in self.changes]
        return json.dumps({"changes": changes}, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Edit:
        """Read an edit. Raises EditError for anything that `to_json` would not write."""
        try:
            changes = json.loads(text)["changes"]
            return cls(tuple(_change(item) for item in changes))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise EditError(f"this is not an edit in JSON: {error}") from None


def _change(item: dict[str, object]) -> Change:
    site, operation, value = item["site"], item["operation"], item["value"]
    if not isinstance(site, str) or not isinstance(value, int | float | bool | str):
        raise TypeError("a change needs a site's id and a plain value")
    for known in ("replace", "insert", "delete"):
        if operation == known:
            return Change(site, known, value)
    raise ValueError(f"there is no operation {operation!r}")


def change(site: Site, value: Value) -> Change:
    """The change that gives this site the value."""
    return Change(site.id, site.operation(value), value)


def apply(edit: Edit, source: str) -> str:
    """The candidate: `source` after the edit. Raises EditError; SourceError for a bad source."""
    found = locate(source)
    wanted = _resolve(edit, found)
    splices: list[Splice] = []
    for item, value in wanted:
        splices += item.splices(value)
    candidate = _splice(source, splices)
    after = locate(candidate)
    for item, value in wanted:
        now = after.get(item.site.id)
        if item.site.kind != "structure" and (now is None or not same(now.site.value, value)):
            raise EditError(f"{item.site.name} cannot be set to {value!r} here")
    return candidate


def describe(edit: Edit, source: str) -> str:
    """One line for people: `DEPTH 4 -> 6, WARMUP 0.1 -> 0.05`."""
    parts = []
    found = locate(source)
    for item in edit.changes:
        known = found.get(item.site)
        name = known.site.name if known else item.site
        now = f"{_show(known.site.value)} -> " if known else "-> "
        parts.append(f"{name} {now}{_show(item.value)}")
    return ", ".join(parts)


def _show(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _resolve(edit: Edit, found: dict[str, Found]) -> list[tuple[Found, Value]]:
    if not edit.changes:
        raise EditError("the edit is empty: it needs at least one change")
    wanted: list[tuple[Found, Value]] = []
    for item in edit.changes:
        if item.site not in found:
            raise EditError(f"there is no site {item.site!r} in this script")
        site = found[item.site].site
        if any(site.id == other.site.id for other, _ in wanted):
            raise EditError(f"the edit changes {site.name} twice")
        wanted.append((found[item.site], _fit(site, item)))
    return wanted


def _fit(site: Site, item: Change) -> Value:
    """The change's value in the site's own type, if it may take that."""
    value = item.value
    if site.kind == "float" and type(value) is int:
        value = float(value)
    if site.kind in ("choice", "structure"):
        fits = any(same(value, choice) for choice in site.choices)
    else:
        fits = type(value) is type(site.value)
    if isinstance(value, float) and not math.isfinite(value):
        fits = False
    if fits and not isinstance(value, bool | str) and site.kind != "choice":
        fits = (site.low is None or value >= site.low) and (site.high is None or value <= site.high)
    if not fits:
        raise EditError(f"{site.name} cannot be {item.value!r}: {_allowed(site)}")
    if same(value, site.value):
        raise EditError(f"the edit leaves {site.name} at {_show(site.value)}")
    if item.operation != site.operation(value):
        raise EditError(f"{item.operation} is not what makes {site.name} {_show(value)}")
    return value


def _allowed(site: Site) -> str:
    if site.choices:
        return "choose one of " + ", ".join(_show(choice) for choice in site.choices)
    if site.low is not None and site.high is not None:
        return f"its range is {_show(site.low)} to {_show(site.high)}"
    return f"it is a {site.kind}"


def _splice(source: str, splices: Sequence[Splice]) -> str:
    """All splices at once. The same text inserted twice at one place is inserted once."""
    parts, at = [], 0
    for piece in sorted(_distinct(splices), key=lambda s: (s.start, s.end)):
        if piece.start < at:
            raise EditError("two changes of the edit overlap")
        parts += [source[at : piece.start], piece.text]
        at = piece.end
    return "".join([*parts, source[at:]])


def _distinct(splices: Iterable[Splice]) -> Iterable[Splice]:
    return dict.fromkeys(splices)
