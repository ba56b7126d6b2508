"""A whole study, read in pages: what exports are made of.

A study that runs meanwhile goes on: each page is from one consistent state, and later pages may be
from later ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from state.lock import engine_alive
from state.read import as_it_is
from state.records import Evaluation, Event, Experiment
from state.rows import SELECT_EXPERIMENT, to_evaluation, to_experiment
from state.watch import Watcher

PAGE = 500  # rows of one query


class Archive(Watcher):
    """A `Watcher` that also reads everything once, however much it is."""

    def experiments(self) -> Iterator[Experiment]:
        """Every experiment, oldest first."""
        alive = engine_alive(self.folder.lock)
        for rows in self._pages(f"{SELECT_EXPERIMENT} WHERE id > ? ORDER BY id LIMIT ?", -1, "id"):
            yield from (as_it_is(to_experiment(row), alive) for row in rows)

    def all_evaluations(self) -> Iterator[tuple[int, Evaluation]]:
        """What self-evaluation saw, with the experiment's id, oldest first."""
        sql = "SELECT * FROM evaluations WHERE experiment_id > ? ORDER BY experiment_id LIMIT ?"
        for rows in self._pages(sql, -1, "experiment_id"):
            yield from ((int(row["experiment_id"]), to_evaluation(row)) for row in rows)

    def all_events(self) -> Iterator[Event]:
        """Every event, in order."""
        last = 0
        while page := self.events(last, PAGE):
            yield from page
            last = page[-1].id

    def sources(self) -> Iterator[tuple[str, str]]:
        """Every source, as pairs of its SHA-256 and its text."""
        sql = "SELECT sha256, text FROM sources WHERE sha256 > ? ORDER BY sha256 LIMIT ?"
        for rows in self._pages(sql, "", "sha256"):
            yield from ((str(row["sha256"]), str(row["text"])) for row in rows)

    def logged(self) -> set[int]:
        """The experiments of which a log is kept."""
        rows = self._db.run(lambda db: db.execute("SELECT experiment_id FROM logs").fetchall())
        return {int(row[0]) for row in rows}

    def log_ends(self, ids: Sequence[int], characters: int) -> Iterator[tuple[int, str]]:
        """The last characters that the latest attempts printed, for those that printed anything."""
        sql = (
            "SELECT substr(text, -?) AS text FROM logs WHERE experiment_id = ? "
            "ORDER BY attempt DESC LIMIT 1"
        )
        for number in ids:
            row = self._one(sql, characters, number)
            if row is not None:
                yield number, str(row["text"])

    def _pages(self, sql: str, after: Any, key: str) -> Iterator[list[Any]]:
        """The pages of a query for the rows after a key, at most so many."""
        while True:
            values = (after, PAGE)
            rows = self._db.run(lambda db, v=values: db.execute(sql, v).fetchall())  # type: ignore[misc]
            if not rows:
                return
            yield rows
            after = rows[-1][key]
