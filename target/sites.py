"""Sites: the places in a script that an edit can change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from target import comparability, entry_points, hints, rules
from target.literal import Value
from target.source import Script, parse

Kind = Literal["int", "float", "bool", "choice", "structure"]
Operation = Literal["replace", "insert", "delete"]

ABSENT = "off"  # the value of a structure that is not there, and could be inserted


@dataclass(frozen=True)
class Site:
    """A place that an edit can change, and what is known about it.

    `id` survives edits elsewhere in the file: a constant's name (`NAME[1]` inside a tuple), what
    holds a default or keyword (`Config.n_layer`, `--lr`, `AdamW.betas[0]`), or
    `rule:Class.function` for a structure. `name` is what people and policies read. `low`, `high`,
    `log` and `choices` come from hints in the comments or from the rule. `text` is the source text
    of the value; `line` counts from 1.
    """

    id: str
    name: str
    kind: Kind
    value: Value
    line: int
    text: str
    comment: str = ""
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    operations: tuple[Operation, ...] = ("replace",)

    def operation(self, value: Value) -> Operation:
        """What changing this site to `value` is called."""
        if self.kind != "structure":
            return "replace"
        if self.value == ABSENT:
            return "insert"
        return "delete" if value == ABSENT else "replace"


@dataclass(frozen=True)
class Splice:
    """Characters start..end of a script are replaced by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Found:
    """A site, and how its script changes when the site takes a value."""

    site: Site
    splices: Callable[[Value], tuple[Splice, ...]]


def structure(
    script: Script,
    rule: str,
    where: str,
    start: int,
    value: str,
    text: str,
    variants: Mapping[str, tuple[Splice, ...]],
) -> Found:
    """A site of kind structure. `variants` holds the splices of every value that it can take."""
    targets = tuple(name for name in variants if name != value)
    operations: list[Operation] = []
    if value == ABSENT:
        operations.append("insert")
    else:
        operations += ["replace"] if any(name != ABSENT for name in targets) else []
        operations += ["delete"] if ABSENT in targets else []
    site = Site(
        id=f"{rule}:{where}" if where else rule,
        name=f"{rule} in {where}" if where else rule,
        kind="structure",
        value=value,
        line=script.line_of(start),
        text=text,
        choices=tuple(variants) if value in variants else (value, *targets),
        operations=tuple(operations),
    )
    return Found(site, lambda wanted: variants[str(wanted)])


@lru_cache(maxsize=64)
def locate(source: str) -> dict[str, Found]:
    """Every site of the script by id, in the order of the file. Raises SourceError."""
    script = parse(source)
    found: list[Found] = []
    for rule in rules.load():
        found += rule.find(script)
    found.sort(key=lambda item: (item.site.kind == "structure", item.site.line))
    fixed = hints.frozen_lines(script)
    if not entry_points.is_sealed(script):  # it scores itself, and how it does that stays
        fixed |= comparability.evaluation_lines(script)
    open_ = (item for item in found if item.site.line not in fixed)
    return {item.site.id: item for item in _unique(open_)}


def find_sites(source: str) -> tuple[Site, ...]:
    """The sites of a script: constants first, then structures. Raises SourceError."""
    return tuple(item.site for item in locate(source).values())


def _unique(found: Iterable[Found]) -> Iterable[Found]:
    """Number the second and later sites of one id: `activation:MLP.forward#2`."""
    seen: dict[str, int] = {}
    for item in found:
        count = seen[item.site.id] = seen.get(item.site.id, 0) + 1
        if count > 1:
            mark = f"#{count}"
            site = replace(item.site, id=item.site.id + mark, name=item.site.name + mark)
            item = replace(item, site=site)
        yield item
