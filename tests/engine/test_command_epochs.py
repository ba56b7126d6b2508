"""What a command target's record says, and when a study does not go on with another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine import epochs
from engine.command_target import CommandTarget, command_target
from engine.settings import validate
from state.folder import StudyFolder
from state.records import NewEpoch, NewStudy
from state.store import Store

pytestmark = pytest.mark.anyio

STUDY = NewStudy(name="s", seed=0, target_name="train.py", policy="local", target_kind="command")
TEXT = "LR = 0.1\nprint('loss:', LR)\n"


def _target(folder: Path, script: str = "train.py", **env: str) -> CommandTarget:
    (folder / script).write_text(TEXT)
    table = {"path": str(folder / script), "command": "python train.py"}
    found = command_target(validate({"target": table, "access": {"env": env}}))
    assert found is not None
    return found


def _epoch(target: CommandTarget) -> NewEpoch:
    return NewEpoch(
        environment_digest=target.digest,
        budget=1.0,
        clock="wall",
        device_model="CPU",
        torch_version="its own",
        environment=target.record(),
    )


async def _enter(store: Store, target: CommandTarget, rebaseline: bool = False) -> None:
    await epochs.enter(
        store,
        _epoch(target),
        target=TEXT,
        replicates=1,
        seed=0,
        limit=None,
        rebaseline=rebaseline,
    )


def test_values_of_variables_are_not_recorded_and_still_tell(tmp_path: Path) -> None:
    one, other = _target(tmp_path, KEY="a-secret-value"), _target(tmp_path, KEY="another")
    assert "a-secret-value" not in json.dumps(one.record())
    assert one.digest != other.digest
    assert one.record()["env"].keys() == {"KEY"}


async def test_a_changed_variable_is_named_without_its_value(tmp_path: Path) -> None:
    target = _target(tmp_path, KEY="a-secret-value", SAME="1")
    async with Store.create(StudyFolder(tmp_path / "study"), STUDY) as store:
        await _enter(store, target)
        with pytest.raises(epochs.EpochChanged, match=r"access\.env has another KEY\.") as caught:
            await _enter(store, _target(tmp_path, KEY="another", SAME="1"))
        assert "secret" not in str(caught.value)


async def test_a_study_does_not_run_its_text_under_another_scripts_name(tmp_path: Path) -> None:
    target = _target(tmp_path)
    async with Store.create(StudyFolder(tmp_path / "study"), STUDY) as store:
        await _enter(store, target)
        with pytest.raises(epochs.EpochChanged, match=r"edits train\.py, not other\.py"):
            await _enter(store, _target(tmp_path, "other.py"), rebaseline=True)
        await _enter(store, replace(target, command="python -O train.py"), rebaseline=True)
        assert len(await store.epochs()) == 2


def test_how_the_default_pattern_is_written_is_no_part_of_an_epoch(tmp_path: Path) -> None:
    target = _target(tmp_path)
    assert replace(target, pattern="written otherwise (.*)").digest == target.digest
    given = target.metric.model_copy(update={"pattern": "loss: (.*)"})
    assert replace(target, metric=given).digest != target.digest
