"""Make `schema_N.db`, the example of a study as this version of arl-tui writes it.

Run once per released schema, from the repository's root, and commit the file:

    python tests/state/assets/build.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import anyio

from state.folder import StudyFolder
from state.present import DeviceSample, Live, Present
from state.records import Evaluation, Look, NewEpoch, NewExperiment, NewStudy, Outcome, Process
from state.schema import current_version
from state.store import Store

BASELINE = "DEPTH = 2\nWIDTH = 64\n"
BETTER = "DEPTH = 3\nWIDTH = 64\n"


async def build(folder: StudyFolder) -> None:
    """A study of five experiments: two of the baseline, a keep, a crash, one left running.

    The crash was approved by a person, and the last one's present is shown. There is a program.
    """
    study = NewStudy(name="example", seed=7, target_name="train.py", policy="random", settings={})
    epoch = NewEpoch(
        environment_digest="e" * 64,
        budget=20.0,
        clock="cpu",
        device_model="CPU",
        torch_version="2.13.0",
        environment={"corpus": "sympy"},
    )
    async with Store.create(folder, study) as store:
        await store.set_study_state("running")
        await store.add_epoch(epoch)
        first = NewExperiment(kind="baseline", source=BASELINE, seed=1, summary="baseline")
        await store.enqueue(first, operation=None)
        again = NewExperiment(kind="replicate", source=BASELINE, seed=2, subject_id=0)
        await store.enqueue(again, operation=None)
        for number, score in enumerate((2.41, 2.43)):
            await store.start(number, slot=0, device="cpu:0")
            outcome = Outcome(status="keep", val_bpb=score, seconds=20.0, peak_memory_mb=512.0)
            await store.finish(number, outcome, log="ok\n", operation="observe")
        await store.set_incumbent(0, score=2.42, sigma=0.01)
        for number in range(3):
            await store.enqueue(
                NewExperiment(
                    kind="candidate",
                    source=BETTER if number == 0 else f"DEPTH = {number}\nWIDTH = 0\n",
                    parent=BASELINE,
                    parent_id=0,
                    seed=10 + number,
                    edit={"changes": [{"site": "DEPTH", "value": 3}]},
                    diff="--- a/train.py\n+++ b/train.py\n@@ -1 +1 @@\n-DEPTH = 2\n+DEPTH = 3\n",
                    summary="DEPTH 2 -> 3",
                    policy="random",
                    proposal_number=number,
                    why="one step up",
                ),
                operation="ask",
            )
            if number == 1:
                await store.approve(3, by="person", note="worth a try")
            process = Process(pid=4_000_000 + number, start_time=1, boot_id="none")
            await store.start(2 + number, slot=0, device="cpu:0", process=process)
        timing = {"import": 1.5, "training": 21.0, "scoring": 3.0}
        outcome = Outcome(
            status="discard",
            val_bpb=2.31,
            delta=-0.11,
            seconds=20.0,
            timing=timing,
            contention=0.02,
            other_load=0.03,
        )
        look = Look(progress=0.5, level=4.6, tail=4.2, forecast=2.5, spread=0.05, threshold=2.45)
        await store.finish(
            2,
            outcome,
            curve=[(0.0, 1, 7.6), (1.0, 90, 4.2)],
            operation=None,
            evaluation=Evaluation(
                looks=(look,), condemned_at=0.5, audit_probability=0.1, audited=True
            ),
        )
        await store.promote(2, score=2.32, sigma=0.01, operation="tell")
        await store.save_policy_state("a" * 64, 3)
        crash = Outcome(status="crash", reason="ZeroDivisionError: division by zero")
        await store.finish(3, crash, log="Traceback\n", operation="tell")
        live = Live(
            experiment_id=4,
            phase="training",
            phase_since="2026-11-25T22:00:00.000000Z",
            progress=0.5,
            step=45,
            loss=4.5,
            steps_per_second=4.5,
            forecast=2.36,
            forecast_low=2.33,
            forecast_high=2.39,
            threshold=2.4,
        )
        sample = DeviceSample(at="2026-11-25T22:00:10.000000Z", device="cpu", utilisation=0.5)
        panels = {"oracle": {"readings": []}}
        curves = {4: [(0.0, 1, 7.6), (0.5, 45, 4.5)]}
        await store.set_document("program", "# Lower the score\n")
        await store.count({"device_hours": 0.25})
        await store.publish(Present(live=[live], curves=curves, samples=[sample], panels=panels))


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = StudyFolder(Path(temporary) / "study")
        anyio.run(build, folder)
        target = Path(__file__).parent / f"schema_{current_version()}.db"
        shutil.copyfile(folder.database, target)


if __name__ == "__main__":
    main()
