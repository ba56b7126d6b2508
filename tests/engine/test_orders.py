import json
from pathlib import Path
from typing import Any

import pytest

from engine import orders
from engine.executor import Budget, Slot, TrialRequest
from env.manifest import Environment
from env.sandbox import Sandbox

SOURCE = "# the candidate\n"


def request(device: str = "cpu", budget: Budget | None = None) -> TrialRequest:
    limits = budget or Budget(20, "cpu")
    return TrialRequest(1, 1, SOURCE, 7, limits, Slot(0, device, 2, 1 << 30))


def training(
    environment: Environment,
    confined: Sandbox,
    folder: Path,
    device: str = "cpu",
    budget: Budget | None = None,
) -> dict[str, Any]:
    """An order to train, with its candidate."""
    asked = request(device, budget)
    order = orders.train(asked.slot, asked.budget, environment, confined, folder)
    return order | orders.candidate(asked, environment)


@pytest.fixture
def both(tiny_environment: Environment, tmp_path: Path) -> tuple[dict[str, object], ...]:
    confined = Sandbox("/usr/bin/bwrap")
    return (
        training(tiny_environment, confined, tmp_path),
        orders.score(request(), tiny_environment, confined, tmp_path, 30.0),
    )


def test_a_trial_is_told_nothing_about_validation(
    both: tuple[dict[str, object], ...], tiny_environment: Environment
) -> None:
    text = json.dumps(both[0])
    for path in (tiny_environment.val, tiny_environment.sealed, tiny_environment.token_bytes):
        assert str(path) not in text
        assert path.name not in text


def test_a_model_process_is_told_neither_targets_nor_paths(
    both: tuple[dict[str, object], ...], tmp_path: Path
) -> None:
    from env.remote_model import _KEYS

    config = both[1]["config"]
    assert isinstance(config, dict)
    told = json.dumps([{key: config[key] for key in _KEYS}, config["models"]])
    assert "validation" not in told
    assert str(tmp_path) not in told


def test_commands_start_without_the_current_folder_and_confined(
    both: tuple[dict[str, object], ...],
) -> None:
    train, score = both
    config = score["config"]
    assert isinstance(config, dict)
    for argv in (train["argv"], *(model["argv"] for model in config["models"])):
        assert isinstance(argv, list)
        assert argv[0] == "/usr/bin/bwrap"
        assert "-P" in argv
    assert isinstance(score["argv"], list)
    assert "/usr/bin/bwrap" not in score["argv"]  # the scorer is trusted, and reads the targets
    assert "PYTHONPATH" not in json.dumps(both)


def test_no_process_of_a_candidate_can_leave_another_a_note(
    tiny_environment: Environment, tmp_path: Path
) -> None:
    """bubblewrap gives each a new folder; without it each has one of its own."""
    confined = Sandbox(landlock=True)
    train = training(tiny_environment, confined, tmp_path)
    score = orders.score(request(), tiny_environment, confined, tmp_path, 30.0)
    processes = [train, *score["config"]["models"]]
    folders = [process["env"]["TMPDIR"] for process in processes]
    assert len(set(folders)) == 3
    for process, folder in zip(processes, folders, strict=True):
        assert process["cwd"] == folder
        writable = {word for word in process["argv"] if word.startswith("write=")}
        assert writable & {f"write={other}" for other in folders} == {f"write={folder}"}
        assert Path(folder).is_relative_to(train["scratch"])


def test_only_the_scorer_may_say_a_score(both: tuple[dict[str, object], ...]) -> None:
    assert [order["accepts"] for order in both] == [("saved", "failed"), ("scored", "failed")]


def test_orders_are_json(both: tuple[dict[str, object], ...]) -> None:
    assert json.loads(json.dumps(both[0]))["config"]["source"] == SOURCE


@pytest.mark.parametrize(
    ("budget", "tolerance", "cap"),
    [
        (Budget(300, "wall"), 6.0, 335.0),
        (Budget(5, "cpu"), 1.0, 60.0),
        (Budget(5, "cpu", wall_cap=9.0), 1.0, 9.0),
    ],
)
def test_the_outside_clock_is_a_little_more_patient(
    tiny_environment: Environment, tmp_path: Path, budget: Budget, tolerance: float, cap: float
) -> None:
    order = training(tiny_environment, Sandbox(None), tmp_path, budget=budget)
    assert order["clock"]["tolerance"] == tolerance
    assert order["config"]["tolerance"] < tolerance
    assert order["clock"]["budget"] == budget.seconds
    assert order["wall_cap"] == cap


def test_address_space_is_not_limited_on_a_gpu(
    tiny_environment: Environment, tmp_path: Path
) -> None:
    cpu = training(tiny_environment, Sandbox(None), tmp_path)
    gpu = training(tiny_environment, Sandbox(None), tmp_path, "cuda:1")
    assert cpu["rlimits"]["as"] > 1 << 30
    assert "as" not in gpu["rlimits"]
    assert (cpu["config"]["device"], gpu["config"]["device"]) == ("cpu", "cuda:0")


def test_weights_cannot_fill_the_disk(
    tiny_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("U", (), {"free": 1 << 20}))
    order = training(tiny_environment, Sandbox(None), tmp_path)
    assert order["rlimits"]["fsize"] == 1 << 19


@pytest.mark.parametrize(("vocab_size", "rows"), [(300, 64), (65_000, 8), (1 << 20, 1)])
def test_a_batch_of_logits_stays_small(
    tiny_environment: Environment, tmp_path: Path, vocab_size: int, rows: int
) -> None:
    from dataclasses import replace

    wide = replace(tiny_environment, vocab_size=vocab_size)
    order = orders.score(request(), wide, Sandbox(None), tmp_path, 30.0)
    assert order["config"]["batch_rows"] == rows
