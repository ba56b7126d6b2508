"""An experiment's way through its statuses: the rules of each change, inside one transaction.

`records.NEXT` says which changes are allowed. What has ended is frozen; the only exception is a
candidate that scored, was discarded, and is confirmed later (`promote`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from state.connection import Transaction
from state.errors import NoSuchExperiment, StoreConflict
from state.records import (
    ENDED,
    NEXT,
    SCORED,
    Evaluation,
    Experiment,
    Json,
    NewExperiment,
    Operation,
    Outcome,
    Point,
    Process,
    Status,
)
from state.rows import (
    SELECT_EXPERIMENT,
    dump_json,
    finite,
    source_sha256,
    to_experiment,
    utc_now,
)
from state.trim import cap_log, plain_text, thin_curve


async def add_event(
    t: Transaction, type_: str, experiment_id: int | None, data: Json = None
) -> int:
    return await t.write(
        "INSERT INTO events (at, type, experiment_id, data) VALUES (?, ?, ?, ?)",
        (utc_now(), type_, experiment_id, dump_json(data)),
    )


async def add_source(t: Transaction, text: str) -> str:
    sha = source_sha256(text)
    await t.write("INSERT OR IGNORE INTO sources (sha256, text) VALUES (?, ?)", (sha, text))
    return sha


async def add_operation(
    t: Transaction, operation: Operation, experiment_id: int, status: Status | None
) -> int:
    """Append to the policy's log. Each operation happens at most once for an experiment."""
    rows = await t.all("SELECT operation FROM policy_log WHERE experiment_id = ?", (experiment_id,))
    done = {row["operation"] for row in rows}
    if operation in done:
        raise StoreConflict(f"Experiment {experiment_id} already has its `{operation}`.")
    if operation == "tell" and "ask" not in done:
        raise StoreConflict(
            f"Experiment {experiment_id} was not asked from the policy: observe it."
        )
    return await t.write(
        "INSERT INTO policy_log (operation, experiment_id, status) VALUES (?, ?, ?)",
        (operation, experiment_id, status),
    )


async def current_epoch_id(t: Transaction) -> int:
    row = await t.one("SELECT MAX(id) AS id FROM epochs")
    if row is None or row["id"] is None:
        raise StoreConflict("The study has no epoch yet: add one before its first experiment.")
    return int(row["id"])


async def get(t: Transaction, experiment_id: int) -> Experiment:
    row = await t.one(f"{SELECT_EXPERIMENT} WHERE id = ?", (experiment_id,))
    if row is None:
        raise NoSuchExperiment(f"There is no experiment {experiment_id} in this study.")
    return to_experiment(row)


async def enqueue(t: Transaction, new: NewExperiment, operation: Operation | None) -> int:
    finite({"log_prob": new.log_prob})
    if operation not in (None, "ask"):
        raise StoreConflict(f"An experiment that is queued can be an `ask`, not a `{operation}`.")
    epoch_id = await current_epoch_id(t)
    source_sha = await add_source(t, new.source)
    parent_sha = None if new.parent is None else await add_source(t, new.parent)
    row = await t.one("SELECT COALESCE(MAX(id) + 1, 0) AS id FROM experiments")
    assert row is not None
    experiment_id = int(row["id"])
    if (experiment_id == 0) and new.kind != "baseline":
        raise StoreConflict("The first experiment of a study is its baseline.")
    await t.write(
        "INSERT INTO experiments (id, epoch_id, kind, parent_id, subject_id, source_sha, "
        "parent_sha, edit, diff, summary, policy, proposal_number, log_prob, why, seed, status, "
        "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
        (
            experiment_id,
            epoch_id,
            new.kind,
            new.parent_id,
            new.subject_id,
            source_sha,
            parent_sha,
            dump_json(new.edit),
            plain_text(new.diff),
            plain_text(new.summary),
            new.policy,
            new.proposal_number,
            new.log_prob,
            plain_text(new.why),
            new.seed,
            utc_now(),
        ),
    )
    if operation is not None:
        await add_operation(t, operation, experiment_id, None)
    await add_event(t, "queued", experiment_id, {"kind": new.kind})
    return experiment_id


async def start(
    t: Transaction, experiment_id: int, slot: int, device: str, process: Process | None
) -> int:
    await _move(t, experiment_id, "running")
    await t.write(
        "UPDATE experiments SET status = 'running', reason = '', attempt = attempt + 1, slot = ?, "
        "device = ?, started_at = ? WHERE id = ?",
        (slot, device, utc_now(), experiment_id),
    )
    # Whoever was asked about it has not answered, and is not asked any more.
    await t.write(
        "UPDATE reviews SET verdict = 'approve', decided_by = 'unsupervised', decided_at = ? "
        "WHERE experiment_id = ? AND verdict = 'pending'",
        (utc_now(), experiment_id),
    )
    if process is not None:
        await attach(t, experiment_id, process)
    attempt = (await get(t, experiment_id)).attempt
    data = {"attempt": attempt, "slot": slot, "device": device}
    await add_event(t, "started", experiment_id, data)
    return attempt


async def attach(t: Transaction, experiment_id: int, process: Process) -> None:
    await running(t, experiment_id)
    await t.write(
        "UPDATE experiments SET supervisor_pid = ?, supervisor_start = ?, supervisor_boot = ? "
        "WHERE id = ?",
        (process.pid, process.start_time, process.boot_id, experiment_id),
    )


async def finish(
    t: Transaction,
    experiment_id: int,
    outcome: Outcome,
    curve: Sequence[Point],
    log: str,
    operation: Operation | None,
    evaluation: Evaluation | None = None,
) -> None:
    _check_outcome(outcome)
    experiment = await _move(t, experiment_id, outcome.status)
    values = asdict(outcome) | {
        "reason": plain_text(outcome.reason),
        "timing": None if outcome.timing is None else dump_json(outcome.timing),
        "ended_at": utc_now(),
    }
    columns = ", ".join(f"{name} = ?" for name in values)
    await t.write(
        f"UPDATE experiments SET {columns}, supervisor_pid = NULL, supervisor_start = NULL, "
        "supervisor_boot = NULL WHERE id = ?",
        (*values.values(), experiment_id),
    )
    await keep_trace(t, experiment, curve, log)
    if evaluation is not None:
        await _keep_evaluation(t, experiment_id, evaluation)
    if operation is not None:
        await _told(t, operation, experiment_id, outcome.status)
    data = {"status": outcome.status, "val_bpb": outcome.val_bpb, "delta": outcome.delta}
    await add_event(t, "finished", experiment_id, data)


async def interrupt(
    t: Transaction, experiment_id: int, reason: str, curve: Sequence[Point], log: str
) -> None:
    experiment = await _move(t, experiment_id, "interrupted")
    await t.write(
        "UPDATE experiments SET status = 'interrupted', reason = ?, supervisor_pid = NULL, "
        "supervisor_start = NULL, supervisor_boot = NULL WHERE id = ?",
        (plain_text(reason), experiment_id),
    )
    await keep_trace(t, experiment, curve, log)
    await add_event(t, "interrupted", experiment_id, {"reason": reason})


async def promote(
    t: Transaction,
    experiment_id: int,
    score: float,
    sigma: float | None,
    reason: str | None,
    operation: Operation | None,
) -> None:
    experiment = await get(t, experiment_id)
    if experiment.kind != "candidate" or experiment.status != "discard":
        raise StoreConflict(
            f"Experiment {experiment_id} is a {experiment.kind} that is `{experiment.status}`: "
            "only a candidate that scored and was discarded can be promoted."
        )
    await t.write(
        "UPDATE experiments SET status = 'keep', reason = COALESCE(?, reason) WHERE id = ?",
        (None if reason is None else plain_text(reason), experiment_id),
    )
    await set_incumbent(t, experiment_id, score, sigma)
    if operation is not None:
        await _told(t, operation, experiment_id, "keep")


async def settle(
    t: Transaction, experiment_id: int, reason: str | None, operation: Operation
) -> None:
    experiment = await get(t, experiment_id)
    if not experiment.ended:
        raise StoreConflict(f"Experiment {experiment_id} has not ended: finish it first.")
    learnt = await t.one(
        "SELECT 1 FROM policy_log WHERE experiment_id = ? AND operation <> 'ask'", (experiment_id,)
    )
    if learnt is not None and reason is not None:
        raise StoreConflict(f"The policy has learnt why experiment {experiment_id} ended so.")
    await _told(t, operation, experiment_id, experiment.status)
    if reason is not None:
        await t.write(
            "UPDATE experiments SET reason = ? WHERE id = ?", (plain_text(reason), experiment_id)
        )
    await add_event(t, "settled", experiment_id, {"status": experiment.status})


async def set_incumbent(
    t: Transaction, experiment_id: int, score: float, sigma: float | None
) -> None:
    finite({"score": score, "sigma": sigma})
    experiment = await get(t, experiment_id)
    if experiment.status != "keep":
        raise StoreConflict(
            f"Experiment {experiment_id} is `{experiment.status}`: only one that is kept can "
            "become the incumbent."
        )
    await t.write(
        "INSERT INTO incumbents (epoch_id, experiment_id, since, score, sigma) "
        "VALUES (?, ?, ?, ?, ?)",
        (await current_epoch_id(t), experiment_id, utc_now(), score, sigma),
    )
    await add_event(t, "incumbent", experiment_id, {"score": score, "sigma": sigma})


async def keep_trace(
    t: Transaction, experiment: Experiment, curve: Sequence[Point], log: str
) -> None:
    """Keep the curve and the log of the current attempt, if there is anything in them."""
    key = (experiment.id, experiment.attempt)
    if curve:
        await keep_curve(t, *key, curve)
    if log:
        await t.write(
            "INSERT INTO logs (experiment_id, attempt, text) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET text = excluded.text",
            (*key, cap_log(log)),
        )


async def keep_curve(
    t: Transaction, experiment_id: int, attempt: int, curve: Sequence[Point]
) -> None:
    """Keep the curve of an attempt in place of an earlier one."""
    await t.write(
        "INSERT INTO curves (experiment_id, attempt, points) VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET points = excluded.points",
        (experiment_id, attempt, dump_json(thin_curve(curve))),
    )


async def _keep_evaluation(t: Transaction, experiment_id: int, evaluation: Evaluation) -> None:
    await t.write(
        "INSERT INTO evaluations VALUES (?, ?, ?, ?, ?)",
        (
            experiment_id,
            dump_json([asdict(look) for look in evaluation.looks]),
            evaluation.condemned_at,
            evaluation.audit_probability,
            int(evaluation.audited),
        ),
    )


async def running(t: Transaction, experiment_id: int) -> Experiment:
    """The experiment, which must be running."""
    experiment = await get(t, experiment_id)
    if experiment.status != "running":
        raise StoreConflict(f"Experiment {experiment_id} is not running, but {experiment.status}.")
    return experiment


async def _move(t: Transaction, experiment_id: int, status: Status) -> Experiment:
    experiment = await get(t, experiment_id)
    # discard -> keep is in NEXT, but only `promote` may do it.
    if experiment.ended or status not in NEXT[experiment.status]:
        raise StoreConflict(
            f"Experiment {experiment_id} is `{experiment.status}` and cannot become `{status}`."
        )
    return experiment


async def _told(t: Transaction, operation: Operation, experiment_id: int, status: Status) -> None:
    if operation not in ("tell", "observe"):
        raise StoreConflict(f"An outcome is a `tell` or an `observe`, not an `{operation}`.")
    await add_operation(t, operation, experiment_id, status)


def _check_outcome(outcome: Outcome) -> None:
    if outcome.status not in ENDED:
        raise StoreConflict(f"`{outcome.status}` is not how an experiment ends.")
    finite(asdict(outcome))
    if (outcome.status in SCORED) != (outcome.val_bpb is not None):
        raise StoreConflict(
            f"An outcome that is `{outcome.status}` "
            + ("needs a val_bpb." if outcome.status in SCORED else "has no val_bpb.")
        )
