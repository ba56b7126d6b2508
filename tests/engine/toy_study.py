"""Runs a study whose trials are a function of source and seed: a whole engine in one second.

    python -P toy_study.py FOLDER MAX_EXPERIMENTS [SLOTS [POLICY [BUDGET [rebaseline]]]]

It ends with one line of JSON per experiment on stdout. Tests start it as a process to kill it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import anyio

from engine.conditions import Conditions
from engine.events import EngineEvent
from engine.executor import Budget, CurvePoint, Slot, TrialRequest, TrialResult
from engine.in_process import InProcessExecutor
from engine.loop import Engine
from engine.recovery import recover
from engine.settings import Settings, validate
from engine.study import prepare_engine
from engine.target_settings import Target
from env.clock import ClockKind
from env.manifest import Environment
from env.sandbox import Sandbox
from state.folder import StudyFolder
from state.lock import EngineLock
from state.records import NewStudy
from state.store import Store
from target.sites import find_sites

TARGET = """\
DEPTH = 4
WIDTH = 64
LR = 0.01
WARMUP = 0.0


def build_model(vocab_size, seq_len):
    return None


def train(model, run):
    pass
"""

# With this variable no edit is a gain, and from that experiment on the machine scores lower.
DRIFT = int(os.environ.get("TOY_DRIFT", "0"))
# With another clock than `steps` a slot goes on while its last trial is scored.
CLOCK: ClockKind = "cpu" if os.environ.get("TOY_CLOCK") == "cpu" else "steps"
# With this one hopeless candidates are soon aborted, but for a third of them.
ABORTS = bool(os.environ.get("TOY_ABORTS"))
# With this one a person reviews every candidate: vetoes, amends and approves in turn.
REVIEWED = bool(os.environ.get("TOY_REVIEWED"))

ENVIRONMENT = Environment(
    path=Path("/nowhere"),
    name="toy",
    digest="0" * 64,
    data_digest="0" * 64,
    code_digest="0" * 64,
    corpus="toy",
    vocab_size=16,
    seq_len=8,
    bos_id=0,
    dtype="uint16",
    rows={"train": 1, "val": 1, "sealed": 1},
    text_bytes={"val": 8},
    unigram_bpb=4.0,
)


def noise(source: str, seed: int) -> float:
    """A repeatable number from -1 to 1."""
    digest = hashlib.sha256(f"{seed}:{source}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**63 - 1


def trial(request: TrialRequest) -> TrialResult:
    """Deep, narrow and fast-learning is better; some candidates fail."""
    values = {site.name: site.value for site in find_sites(request.source)}
    if values["WIDTH"] > 256:
        return TrialResult("oom", "it used more than 1.0 GiB of memory")
    score = 2.0 - 0.05 * values["DEPTH"] + 0.001 * values["WIDTH"] - 2.0 * values["LR"]
    score += 0.01 * noise(request.source, request.seed)
    if DRIFT:
        score += 1.0 * (request.source != TARGET) - 0.3 * (request.experiment_id >= DRIFT)
    curve = tuple(
        CurvePoint(
            n / 25, n // 5, 1.8 * score + (n / 25) ** -0.5 + 0.01 * noise(str(n), request.seed)
        )
        for n in range(1, 26)
    )
    return TrialResult(
        "scored",
        val_bpb=score,
        sealed_bpb=score + 0.5 if request.sealed else None,
        seconds=5.0,
        wall_seconds=5.0,
        steps=5,
        curve=curve,
        log="hello",
    )


def settings(limit: int, policy: str = "local") -> Settings:
    """The study's settings."""
    limits = {"max_experiments": limit, "min_disk_gb": 0}
    acceptance = {"sentinel_every": 3} if DRIFT else {}
    review = {"supervised": True} if REVIEWED else {}
    tables = {"policy": {"name": policy}, "limits": limits, "acceptance": acceptance}
    tables["review"] = review
    if ABORTS:
        tables["selfeval"] = {"evidence": 20, "audit": 0.3, "false_aborts": 0.2}
    return validate({"seed": 5} | tables)


async def review(engine: Engine, store: Store) -> None:
    """A person who answers at once, and always in the same way."""
    while True:
        for number, asked in (await store.reviews()).items():
            if asked.verdict != "pending":
                continue
            candidate = await store.experiment(number)
            if (candidate.proposal_number or 0) % 3 == 0:
                await engine.veto(number, "every third one")
                continue
            if (candidate.proposal_number or 0) % 3 == 1:
                source = await store.source(candidate.source_sha)
                await engine.amend(number, f"{source.rstrip()}\n# {number}\n")
            await engine.approve(number)
        await anyio.sleep(0.01)


async def run(
    folder: StudyFolder,
    limit: int,
    slots: int = 1,
    policy: str = "local",
    budget: float = 5,
    rebaseline: bool = False,
) -> None:
    """Run or continue the study."""
    chosen = settings(limit, policy)
    target = folder.path.with_suffix(".py")
    target.write_text(TARGET)
    chosen = chosen.model_copy(update={"target": Target(path=str(target))})
    new = None if folder.exists else TARGET
    study = NewStudy(
        name="toy", seed=5, target_name="train.py", policy=policy, settings=chosen.model_dump()
    )
    opened = Store.open(folder) if new is None else Store.create(folder, study)
    conditions = Conditions(
        tuple(Slot(number, "cpu", 1, 1 << 30) for number in range(slots)),
        Budget(budget, CLOCK),
        ENVIRONMENT,
        Sandbox(None),
    )

    def say(event: EngineEvent) -> None:
        print(f"{event.type}: {event.sentence}", file=sys.stderr)

    async with opened as store:
        await recover(store, say)
        executor = InProcessExecutor(trial)
        engine = await prepare_engine(store, chosen, conditions, executor, say, new, rebaseline)
        async with anyio.create_task_group() as tasks:
            if REVIEWED:
                tasks.start_soon(review, engine, store)
            await engine.run()
            tasks.cancel_scope.cancel()
        for e in await store.experiments():
            row = [e.id, e.kind, e.parent_id, e.subject_id, e.source_sha, e.seed, e.status]
            print(json.dumps([*row, e.reason, e.val_bpb, e.delta, e.summary, e.proposal_number]))


def main() -> None:
    """Take the study's lock and run it."""
    folder = StudyFolder(Path(sys.argv[1]).absolute())
    folder.make()
    slots = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    policy = sys.argv[4] if len(sys.argv) > 4 else "local"
    budget = float(sys.argv[5]) if len(sys.argv) > 5 else 5.0
    rebaseline = sys.argv[6:] == ["rebaseline"]
    with EngineLock(folder.lock):
        anyio.run(run, folder, int(sys.argv[2]), slots, policy, budget, rebaseline)


if __name__ == "__main__":
    main()
