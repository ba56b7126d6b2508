"""Reviews, and the present that viewers see."""

from __future__ import annotations

from pathlib import Path

import pytest

from state.errors import StoreConflict
from state.folder import StudyFolder
from state.lock import EngineLock
from state.present import SAMPLES_KEPT, DeviceSample, Live, Present
from state.records import NewEpoch, NewExperiment, NewStudy, Outcome
from state.store import Store
from state.watch import Watcher

pytestmark = pytest.mark.anyio

STUDY = NewStudy(name="s", seed=1, target_name="train.py", policy="local")
EPOCH = NewEpoch(
    environment_digest="e", budget=5, clock="steps", device_model="CPU", torch_version="2"
)
SINCE = "2026-11-25T22:00:00.000000Z"


async def candidate(store: Store, source: str = "A = 2\n") -> int:
    """Queue a candidate, after a baseline where there is none."""
    if not await store.experiments():
        await store.add_epoch(EPOCH)
        baseline = NewExperiment(kind="baseline", source="A = 1\n", seed=1)
        await store.enqueue(baseline, operation=None)
    number = len(await store.experiments())
    new = NewExperiment(
        kind="candidate",
        source=source,
        parent="A = 1\n",
        parent_id=0,
        seed=number,
        diff="-A = 1\n+A = 2\n",
        summary="A 1 -> 2",
        policy="local",
        proposal_number=number,
        log_prob=-1.0,
    )
    return await store.enqueue(new, operation="ask")


async def test_a_review_is_asked_once_and_decided(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store:
        number = await candidate(store)
        assert not (await store.study()).supervised
        await store.set_supervised(True)
        await store.request_review(number)
        await store.request_review(number)
        assert (await store.reviews())[number].verdict == "pending"
        await store.approve(number, by="person", note="go \ud800 on")
        review = (await store.reviews())[number]
        assert (review.verdict, review.decided_by) == ("approve", "person")
        assert review.note == "go \\ud800 on"
        await store.start(number, slot=0, device="cpu")
        assert await store.reviews() == {}
        with pytest.raises(StoreConflict, match="has not begun"):
            await store.veto(number, by="person")
        with Watcher(folder) as watcher:
            assert watcher.study().supervised
            assert watcher.reviews() == []
            assert [r.verdict for r in watcher.reviews(pending=False)] == ["approve"]
            asked = [e.data["verdict"] for e in watcher.events(type_="review")]
            assert asked == ["pending", "approve"]


async def test_a_veto_is_an_outcome_that_the_policy_is_told(tmp_path: Path) -> None:
    async with Store.create(StudyFolder(tmp_path / "s"), STUDY) as store:
        number = await candidate(store)
        await store.veto(number, by="person", note="too deep")
        ended = await store.experiment(number)
        assert (ended.status, ended.reason) == ("veto", "too deep")
        assert [(e.operation, e.status) for e in await store.policy_log()] == [
            ("ask", None),
            ("tell", "veto"),
        ]
        with pytest.raises(StoreConflict):
            await store.veto(number, by="person")
        with pytest.raises(StoreConflict, match="is a baseline"):
            await store.approve(0, by="person")


async def test_what_has_ended_otherwise_waits_for_nobody(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store:
        number = await candidate(store)
        await store.request_review(number)
        await store.finish(number, Outcome(status="invalid", reason="x"), operation="tell")
        with Watcher(folder) as watcher:
            assert watcher.reviews() == []


async def test_an_amended_candidate_keeps_what_the_policy_proposed(tmp_path: Path) -> None:
    async with Store.create(StudyFolder(tmp_path / "s"), STUDY) as store:
        number = await candidate(store)
        await store.approve(number, by="timer")
        for value in (5, 6):
            source = f"A = {value}\n"
            await store.amend(number, source, diff=f"+A = {value}\n", summary="mine", why="w")
        now = await store.experiment(number)
        assert await store.source(now.source_sha) == "A = 6\n"
        assert (now.log_prob, now.summary, now.why) == (None, "mine", "w")
        assert (await store.reviews())[number].verdict == "pending", "it was another source"
        proposed = (await store.reviews())[number].proposed_sha
        assert proposed is not None
        assert await store.source(proposed) == "A = 2\n"


async def test_one_that_begins_without_an_answer_is_not_asked_about_any_more(
    tmp_path: Path,
) -> None:
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store:
        number = await candidate(store)
        await store.request_review(number)
        await store.start(number, slot=0, device="cpu")
        with Watcher(folder) as watcher:
            (review,) = watcher.reviews(pending=False)
            assert (review.verdict, review.decided_by) == ("approve", "unsupervised")


async def test_the_present_is_overwritten_and_only_of_what_runs(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store:
        number = await candidate(store)
        await store.start(number, slot=0, device="cpu")
        live = Live(experiment_id=number, phase="training", phase_since=SINCE, step=3, loss=2.5)
        other = Live(experiment_id=0, phase="training", phase_since=SINCE)
        samples = [
            DeviceSample(at=SINCE, device=device, utilisation=n / 1000)
            for n in range(SAMPLES_KEPT + 5)
            for device in ("cuda:0", "cuda:1")
        ]
        curve = [(0.0, n, 3.0) for n in range(9)]
        await store.publish(
            Present(
                live=[live, other],
                curves={number: curve, 0: curve},
                samples=samples,
                panels={"policy": {"value": 1}},
            )
        )
        await store.publish(Present(live=[live], panels={"oracle": [1]}))
        with EngineLock(folder.lock), Watcher(folder) as watcher:
            assert watcher.live() == [live]
            assert watcher.curve(number) == curve
            assert watcher.curve(0) == []
            assert watcher.panels() == {"policy": {"value": 1}, "oracle": [1]}
            last, kept = watcher.samples()
            assert [s.device for s in kept].count("cuda:1") == SAMPLES_KEPT
            assert kept[0].utilisation == 0.005
            assert watcher.samples(last) == (last, [])
        with Watcher(folder) as watcher:
            assert watcher.live() == [], "nothing runs without an engine"
            assert watcher.briefs([number])[0].status == "interrupted"
        await store.finish(number, Outcome(status="crash", reason="x"), operation="tell")
        with EngineLock(folder.lock), Watcher(folder) as watcher:
            assert watcher.live() == []


async def test_a_viewer_learns_which_experiments_have_changed(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "s")
    async with Store.create(folder, STUDY) as store:
        number = await candidate(store)
        with EngineLock(folder.lock), Watcher(folder) as watcher:
            event, ids = watcher.changed(0)
            assert ids == {0, number}
            assert watcher.changed(event) == (event, set())
            await store.start(0, slot=0, device="cpu")
            event, ids = watcher.changed(event)
            assert ids == {0}
            (brief,) = watcher.briefs(list(ids))
            assert (brief.id, brief.status) == (0, "running")
            await store.finish(0, Outcome(status="keep", val_bpb=2.0), operation="observe")
            event, ids = watcher.changed(event)
            assert [b.val_bpb for b in watcher.briefs()] == [2.0, None]
            await store.set_incumbent(0, score=2.0, sigma=None)
            assert watcher.changed(event)[1] == {0}
            assert watcher.with_text("a 1 ->") == {number}
            assert watcher.with_text("+A = 2") == {number}
            assert watcher.with_text("B") == set()
