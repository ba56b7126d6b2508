"""Whether predictions are honest: made from the tokens before, and from nothing else.

A model's targets are its inputs shifted by one, so it must not look ahead; nor at the other rows of
its batch, nor at what it was shown before; and asked again it must say the same. So some rows are
shown again: to the model that was scored, in other company, and to a fresh model process, some as
they are and some with another future. Up to where a row was changed, nothing may differ. What
counts is that a row was predicted better when it was scored: a model that notices the change and
behaves shows all the same.

An honest model differs by rounding alone, and all batches have the shape of those scored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env.bpb import Floats, Ids, Predict, batches, predicted_nats
from env.failure import Failure
from env.shards import Tokens

ROWS_AGAIN = 32  # so many rows, at least, are shown again to the model that was scored
ROWS_FRESH = 224  # and to a fresh one, no row twice: it might remember what came next
_CHANGES = ("other text", "nothing", "other text", "one token", "other text", "nothing", "order")

MOST_APART = 0.02  # nats that an honest model's answers may lie apart; half precision makes less
MOST_NATS = 0.01  # what it may seem to gain on average by rounding
LEAST_NATS = 0.001  # what is smaller gains nothing that matters
_SURE = 6.0  # standard errors that a smaller gain must be away from none

Nats = npt.NDArray[np.float64]


def audit(
    scored_model: Predict,
    fresh_model: Predict,
    rows: Tokens,
    batch_rows: int,
    scored: Floats,
    random: np.random.Generator,
) -> None:
    """Compare the predictions behind a score with later ones; raises Failure (`invalid`).

    `rows` [n, T + 1] and `batch_rows` as scored; `scored` [n, T] in nats. `fresh_model` is a model
    process that has seen nothing yet. Nobody may foresee `random`.
    """
    again = Probe.of(rows, batch_rows, ROWS_AGAIN, ("nothing",), random)
    if not _alike(again.shown_to(scored_model, scored).unchanged):
        raise Failure("invalid", "asked again about the same text, its predictions differ")
    fresh = Probe.of(rows, batch_rows, ROWS_FRESH, _CHANGES, random).shown_to(fresh_model, scored)
    if not _alike(fresh.unchanged):
        reason = "its predictions depend on other rows of a batch, or on earlier batches"
        raise Failure("invalid", reason)
    if not (_alike(fresh.before) and _alike(fresh.at_the_change)):
        raise Failure("invalid", "its predictions depend on later tokens")


@dataclass(frozen=True)
class Differences:
    """By how many nats predictions were better when they were scored, in places that are alike."""

    unchanged: Nats  # [u, T], at all places of the rows that were shown unchanged
    before: Nats  # [c], the mean over the places up to each other row's change
    at_the_change: Nats  # [c], at the last of them: its next token is another one


@dataclass(frozen=True)
class Probe:
    """Rows to be shown again; each is as it was up to its place `kept`, and maybe not after it."""

    rows: Ids  # [n, T + 1], as scored
    ids: Ids  # [n, T], as shown
    kept: Ids  # [n], the last place where they are alike
    number: Ids  # [n], which rows these are
    batch_rows: int

    @classmethod
    def of(
        cls,
        rows: Tokens,
        batch_rows: int,
        least: int,
        changes: tuple[str, ...],
        random: np.random.Generator,
    ) -> Probe:
        """At least `least` rows in whole batches, or all; `changes` are spread over them."""
        size = min(batch_rows, len(rows))
        count = min(len(rows) // size, math.ceil(least / size)) * size
        number = random.permutation(len(rows))[:count]
        chosen = np.asarray(rows[number], dtype=np.int64)
        ids = chosen[:, :-1].copy()
        length = ids.shape[1]
        kept = np.full(count, length - 1)
        for row, kind in enumerate(random.permutation(np.resize(changes, count))):
            if kind != "nothing" and length > 1:
                kept[row] = random.integers(length - 1)
                donor = np.asarray(rows[random.integers(len(rows))], dtype=np.int64)
                _change(ids[row], int(kept[row]), str(kind), donor, random)
        return cls(chosen, ids, kept, number, batch_rows)

    def shown_to(self, predict: Predict, scored: Floats) -> Differences:
        """Ask for predictions, and compare them with those `scored` [all rows, T], in nats."""
        now = np.empty(self.ids.shape, dtype=np.float32)
        for each in batches(np.arange(len(self.ids)), self.batch_rows):
            now[each] = predicted_nats(predict, self.ids[each], self.rows[each, 1:])
        difference = (now - scored[self.number]).astype(np.float64)
        kept = self.kept[:, None]
        whole = self.kept == difference.shape[1] - 1
        alike = np.arange(difference.shape[1]) <= kept
        before = (difference * alike).sum(axis=1) / (self.kept + 1)
        change = np.take_along_axis(difference, kept, axis=1)[:, 0]
        return Differences(difference[whole], before[~whole], change[~whole])


def _change(ids: Ids, kept: int, kind: str, donor: Ids, random: np.random.Generator) -> None:
    """Give one row [T] another future after the place `kept`; its next token always differs."""
    before, after = int(ids[kept + 1]), ids[kept + 1 :]
    if kind == "order":
        after[:] = random.permutation(after)
    elif kind == "one token":  # as if the text ended there
        after[:] = random.choice(donor)
    else:
        after[:] = donor[kept + 1 : -1]
    if after[0] == before:
        others = donor[donor != before]
        after[0] = random.choice(others) if len(others) else (before == 0)


def _alike(differences: Nats) -> bool:
    """Whether predictions, [rows] or [rows, T], stayed as they were, as far as rounding goes."""
    if len(differences) == 0:
        return True
    rows = differences.reshape(len(differences), -1).mean(axis=1)
    return float(np.abs(differences).mean()) <= MOST_APART and not _gains(rows)


def _gains(differences: Nats) -> bool:
    """Whether there is a gain: one that is large, or small but without doubt."""
    mean = float(differences.mean())
    if len(differences) < 2 or mean <= LEAST_NATS:
        return mean > MOST_NATS
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return mean > MOST_NATS or mean > _SURE * error
