"""Which experiments the history lists, and in which order; kept up to date one by one."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, get_args

from arl_tui.filters import Filter, Found
from state.metric import Metric
from state.records import STATUSES
from state.watch import Brief

Order: TypeAlias = Literal["id", "status", "bpb", "delta", "seconds", "edit"]
BY_SCORE: frozenset[Order] = frozenset({"bpb", "delta"})
ORDERS: tuple[Order, ...] = get_args(Order)
_AT_ONCE = 50  # more changes than this are sorted anew

_VALUES: Mapping[Order, Callable[[Brief], float | str | None]] = {
    "id": lambda brief: brief.id,
    "status": lambda brief: STATUSES.index(brief.status),
    "bpb": lambda brief: brief.val_bpb,
    "delta": lambda brief: brief.delta,
    "seconds": lambda brief: brief.seconds,
    "edit": lambda brief: brief.summary or None,
}


def highest_first(order: Order, metric: Metric) -> bool:
    """Whether a column is sorted downwards at first: the newest, the longest, the best on top."""
    if order in BY_SCORE:
        return metric.direction == "max"
    return order in ("id", "seconds")


class Listing:
    """The rows of the history's table. Newest first, until another order is chosen.

    An experiment without a value comes last either way; among equals the newest comes first.
    """

    def __init__(self) -> None:
        self.rows: list[Brief] = []
        self.order: Order = "id"
        self.reverse = True
        self.filter = Filter()
        self.found: Found = {}
        self._briefs: Sequence[Brief] = ()

    def choose(self, order: Order, *, reverse: bool) -> None:
        """Sort by a column; `reverse` puts the highest first."""
        self.order, self.reverse = order, reverse
        self._anew()

    def restrict(self, to: Filter, found: Found) -> None:
        """List only what a filter lets through; `found` answers for each of its texts."""
        self.filter, self.found = to, found
        self._anew()

    def update(self, briefs: Sequence[Brief]) -> None:
        """Show a study as it has become; `briefs[n]` is experiment n."""
        before, self._briefs = self._briefs, briefs
        if briefs is before:
            return
        changed = [new for old, new in zip(before, briefs, strict=False) if old is not new]
        changed += briefs[len(before) :]
        if len(changed) > _AT_ONCE or len(briefs) < len(before):
            self._anew()
            return
        for brief in changed:
            if brief.id < len(before):
                self._remove(before[brief.id])
            if self.filter.matches(brief, self.found):
                insort(self.rows, brief, key=self._key)

    def index(self, experiment_id: int) -> int | None:
        """The row of an experiment; None when it is not listed."""
        if not 0 <= experiment_id < len(self._briefs):
            return None
        brief = self._briefs[experiment_id]
        row = bisect_left(self.rows, self._key(brief), key=self._key)
        return row if row < len(self.rows) and self.rows[row].id == experiment_id else None

    def _remove(self, brief: Brief) -> None:
        row = bisect_left(self.rows, self._key(brief), key=self._key)
        if row < len(self.rows) and self.rows[row] is brief:
            del self.rows[row]

    def _anew(self) -> None:
        matches, found = self.filter.matches, self.found
        if self.filter.terms:
            self.rows = [brief for brief in self._briefs if matches(brief, found)]
        else:
            self.rows = list(self._briefs)
        self.rows.sort(key=self._key)

    def _key(self, brief: Brief) -> tuple[bool, float | _Down | str, int]:
        value = _VALUES[self.order](brief)
        if value is None:
            return True, 0.0, -brief.id
        if not self.reverse:
            return False, value, -brief.id
        return False, -value if not isinstance(value, str) else _Down(value), -brief.id


class _Down(str):
    """Text that sorts the other way round."""

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)
