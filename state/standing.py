"""How experiments stand: the little that the oracle asks for again and again, and only what is new.

A study may hold ten thousand experiments, so a question costs what has changed since the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from state.connection import Transaction
from state.records import Incumbent, Kind, Status
from state.rows import to_incumbent


@dataclass(frozen=True)
class Standing:
    """An experiment in a few words; `records.Experiment` says what they mean."""

    id: int
    epoch_id: int
    kind: Kind
    status: Status
    reason: str


@dataclass(frozen=True)
class Seen:
    """How much has been read: the last event, entry of the policy's log, and incumbent."""

    event: int = 0
    log: int = 0
    incumbent: int = 0


@dataclass(frozen=True)
class Changes:
    """What has changed since something was seen.

    `standings` are the experiments that new events are about, by id; `ended` the (event,
    experiment) of those that ended, in that order; `told` the experiments that the policy learnt.
    """

    seen: Seen
    standings: tuple[Standing, ...] = ()
    ended: tuple[tuple[int, int], ...] = ()
    told: tuple[int, ...] = ()
    incumbents: tuple[Incumbent, ...] = ()


async def read_changes(t: Transaction, seen: Seen) -> Changes:
    """What is new in a study since `seen`."""
    row = await t.one("SELECT COALESCE(MAX(id), 0) AS last FROM events")
    assert row is not None
    if int(row["last"]) == seen.event:
        return Changes(seen)
    standings = await t.all(
        "SELECT id, epoch_id, kind, status, reason FROM experiments WHERE id IN "
        "(SELECT experiment_id FROM events WHERE id > ? AND experiment_id IS NOT NULL) ORDER BY id",
        (seen.event,),
    )
    ended = await t.all(
        "SELECT id, experiment_id FROM events WHERE id > ? AND type = 'finished' ORDER BY id",
        (seen.event,),
    )
    told = await t.all(
        "SELECT seq, operation, experiment_id FROM policy_log WHERE seq > ? ORDER BY seq",
        (seen.log,),
    )
    incumbents = await t.all(
        "SELECT * FROM incumbents WHERE seq > ? ORDER BY seq", (seen.incumbent,)
    )
    return Changes(
        seen=Seen(
            int(row["last"]),
            int(told[-1]["seq"]) if told else seen.log,
            int(incumbents[-1]["seq"]) if incumbents else seen.incumbent,
        ),
        standings=tuple(Standing(**dict(found)) for found in standings),
        ended=tuple((int(found["id"]), int(found["experiment_id"])) for found in ended),
        told=tuple(int(found["experiment_id"]) for found in told if found["operation"] == "tell"),
        incumbents=tuple(map(to_incumbent, incumbents)),
    )
