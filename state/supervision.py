"""Supervised studies: a candidate waits for a person, who approves, vetoes or amends it.

A review is part of the record: it survives the viewer and the engine.
"""

from __future__ import annotations

from state import lifecycle
from state.connection import Transaction
from state.errors import StoreConflict
from state.present import Decider, Review, Verdict
from state.queries import Queries
from state.records import Outcome
from state.rows import utc_now
from state.trim import plain_text


class Supervision(Queries):
    """The store's methods for a supervised study."""

    async def set_supervised(self, supervised: bool) -> None:
        """Say whether a person approves each candidate from now on."""
        async with self._connection.transaction() as t:
            await t.write("UPDATE study SET supervised = ?", (int(supervised),))
            await lifecycle.add_event(t, "supervised", None, {"supervised": supervised})

    async def request_review(self, experiment_id: int) -> None:
        """Let a queued candidate wait for a person. Asking twice changes nothing."""
        async with self._connection.transaction() as t:
            await self._candidate(t, experiment_id)
            await _request(t, experiment_id)

    async def approve(self, experiment_id: int, *, by: Decider, note: str = "") -> None:
        """Let a candidate under review run."""
        async with self._connection.transaction() as t:
            await self._candidate(t, experiment_id)
            await _request(t, experiment_id)
            await _decide(t, experiment_id, "approve", by, note)

    async def veto(self, experiment_id: int, *, by: Decider, note: str = "") -> None:
        """End a queued candidate as a veto, with the person's note, and tell the policy."""
        async with self._connection.transaction() as t:
            await self._candidate(t, experiment_id)
            await _request(t, experiment_id)
            await _decide(t, experiment_id, "veto", by, note)
            outcome = Outcome(status="veto", reason=note or "vetoed by a person")
            await lifecycle.finish(t, experiment_id, outcome, (), "", "tell")

    async def amend(
        self, experiment_id: int, source: str, *, diff: str, summary: str, why: str
    ) -> None:
        """Replace the source of a candidate under review by a person's."""
        async with self._connection.transaction() as t:
            await self._candidate(t, experiment_id)
            await _request(t, experiment_id)
            await _amend(t, experiment_id, source, diff, summary, why)

    async def _candidate(self, t: Transaction, experiment_id: int) -> None:
        experiment = await lifecycle.get(t, experiment_id)
        if experiment.kind != "candidate" or experiment.status != "queued":
            raise StoreConflict(
                f"Experiment {experiment_id} is a {experiment.kind} that is "
                f"`{experiment.status}`: only a candidate that has not begun can be reviewed."
            )

    async def reviews(self) -> dict[int, Review]:
        """The reviews of candidates that have not begun, by the experiment's id."""
        async with self._connection.reading() as t:
            rows = await t.all(
                "SELECT r.* FROM reviews AS r JOIN experiments AS e ON e.id = r.experiment_id "
                "WHERE e.status = 'queued' ORDER BY e.id"
            )
        return {int(row["experiment_id"]): Review(**dict(row)) for row in rows}


async def _request(t: Transaction, experiment_id: int) -> None:
    """Ask a person about a queued candidate; one that was asked about stays as it is."""
    known = await t.one("SELECT 1 FROM reviews WHERE experiment_id = ?", (experiment_id,))
    if known is not None:
        return
    await t.write(
        "INSERT INTO reviews (experiment_id, verdict, requested_at) VALUES (?, 'pending', ?)",
        (experiment_id, utc_now()),
    )
    await lifecycle.add_event(t, "review", experiment_id, {"verdict": "pending"})


async def _decide(
    t: Transaction, experiment_id: int, verdict: Verdict, by: Decider, note: str
) -> None:
    """Record a verdict on a pending review; a note replaces the one before."""
    await t.write(
        "UPDATE reviews SET verdict = ?, decided_by = ?, note = ?, decided_at = ? "
        "WHERE experiment_id = ?",
        (verdict, by, plain_text(note), utc_now(), experiment_id),
    )
    data = {"verdict": verdict, "by": by, "note": plain_text(note)}
    await lifecycle.add_event(t, "review", experiment_id, data)


async def _amend(
    t: Transaction, experiment_id: int, source: str, diff: str, summary: str, why: str
) -> None:
    """Replace the source of a candidate under review: nobody sampled it, so no log_prob stays."""
    sha = await lifecycle.add_source(t, source)
    await t.write(
        "UPDATE reviews SET proposed_sha = COALESCE(proposed_sha, (SELECT source_sha FROM "
        "experiments WHERE id = ?)), verdict = 'pending', decided_by = '', decided_at = NULL, "
        "requested_at = ? WHERE experiment_id = ?",
        (experiment_id, utc_now(), experiment_id),
    )
    await t.write(
        "UPDATE experiments SET source_sha = ?, diff = ?, summary = ?, why = ?, log_prob = NULL "
        "WHERE id = ?",
        (sha, plain_text(diff), plain_text(summary), plain_text(why), experiment_id),
    )
    await lifecycle.add_event(t, "amended", experiment_id, {"source_sha": sha})
