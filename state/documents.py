"""What a study was given besides its target: texts for people and policies, and earlier results."""

from __future__ import annotations

from collections.abc import Sequence

from state import lifecycle
from state.records import PriorResult
from state.rows import finite, to_prior_result, utc_now
from state.supervision import Supervision
from state.trim import plain_text

PROGRAM = "program"  # the document with the instructions for people and language models


class Documents(Supervision):
    """The store's methods for what a study was given."""

    async def set_document(self, name: str, text: str) -> bool:
        """Keep a text under a name, in place of an earlier one. Returns whether it is another."""
        text = plain_text(text)
        async with self._connection.transaction() as t:
            before = await t.one("SELECT text FROM documents WHERE name = ?", (name,))
            if before is not None and before["text"] == text:
                return False
            await t.write(
                "INSERT INTO documents (name, text, at) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET text = excluded.text, at = excluded.at",
                (name, text, utc_now()),
            )
            await lifecycle.add_event(t, "document", None, {"name": name})
        return True

    async def document(self, name: str) -> str | None:
        """The text under a name, or None."""
        async with self._connection.reading() as t:
            row = await t.one("SELECT text FROM documents WHERE name = ?", (name,))
        return None if row is None else str(row["text"])

    async def add_prior_results(self, results: Sequence[PriorResult]) -> int:
        """Record what was tried before the study; what is there at a position stays.

        Returns how many were new, so that recording the same ones again is 0.
        """
        async with self._connection.transaction() as t:
            known = {row["position"] for row in await t.all("SELECT position FROM prior_results")}
            new = [result for result in results if result.position not in known]
            for result in new:
                finite({"score": result.score, "memory_mb": result.memory_mb})
                await t.write(
                    'INSERT INTO prior_results (position, "commit", score, memory_mb, status, '
                    "description) VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        result.position,
                        plain_text(result.commit),
                        result.score,
                        result.memory_mb,
                        plain_text(result.status),
                        plain_text(result.description),
                    ),
                )
            if new:
                await lifecycle.add_event(t, "prior_results", None, {"count": len(new)})
        return len(new)

    async def prior_results(self) -> list[PriorResult]:
        """What was tried before the study, in its order."""
        async with self._connection.reading() as t:
            rows = await t.all("SELECT * FROM prior_results ORDER BY position")
        return [to_prior_result(row) for row in rows]
