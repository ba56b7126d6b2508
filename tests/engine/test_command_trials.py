"""Runs of command targets, with real commands in the real sandbox: what comes of which script."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import psutil
import pytest

from engine.command_executor import CommandExecutor
from engine.command_target import CommandTarget, command_target
from engine.conditions import budget_for
from engine.executor import CurvePoint, Listener, Slot, TrialRequest, TrialResult
from engine.settings import validate
from engine.target_reading import TargetError, given_in_command
from env import sandbox
from env.sandbox import Sandbox
from target import source

pytestmark = pytest.mark.anyio

SLOT = Slot(0, "cpu", 1, 2 << 30)
Run = Callable[..., Awaitable[TrialResult]]


@pytest.fixture(params=["bubblewrap", "Landlock alone", "nothing"])
def confined(request: pytest.FixtureRequest) -> Sandbox:
    found = sandbox.detect("auto")
    if request.param == "nothing":
        return Sandbox()
    if request.param not in " alone ".join((*found.layers, "")):
        pytest.skip(f"no {request.param} here")
    return found if request.param == "bubblewrap" else replace(found, bwrap=None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def project(home: Path) -> Path:
    folder = home / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def run(project: Path, home: Path) -> Run:
    """Run the project's train.py once, with tables of settings besides."""

    async def run(
        confined: Sandbox,
        *,
        metric: str = "val_loss",
        seconds: float = 30.0,
        seed: int = 7,
        text: str | None = None,
        memory: int = SLOT.memory_bytes,
        on_report: Callable[[CurvePoint], None] = lambda point: None,
        **tables: Any,
    ) -> TrialResult:
        asked = {
            "path": str(project / "train.py"),
            "command": f"{sys.executable} train.py",
            **tables.pop("target", {}),
        }
        settings = validate(
            {
                "target": asked,
                "metric": {"name": metric, **tables.pop("metric_table", {})},
                "budget": {"seconds": seconds, "startup_seconds": 0.001},
                **tables,
            }
        )
        target = command_target(settings)
        assert target is not None
        async with anyio.create_task_group() as tasks:
            executor = CommandExecutor(tasks, target, confined, project / ".arl" / "scratch")
            request = TrialRequest(
                experiment_id=3,
                attempt=1,
                source=text or source.read(project / "train.py"),
                seed=seed,
                budget=budget_for(settings, "cpu"),
                slot=replace(SLOT, memory_bytes=memory),
            )
            job = await executor.submit(request, Listener(on_report=on_report))
            result = await job.result()
        assert not list((project / ".arl" / "scratch").iterdir())  # nothing is left lying
        return result

    return run


@pytest.mark.parametrize(
    ("script", "score"),
    [
        ("ten_lines", pytest.approx(0.000037, rel=2)),
        ("tabs", 0.04),
        ("windows_line_ends", pytest.approx(0.000037, rel=2)),
        ("byte_order_mark", pytest.approx(0.000037, rel=2)),
        ("latin_1", pytest.approx(1 / 3, abs=1e-4)),
        ("no_constants", pytest.approx(1 / 3, abs=1e-4)),
        ("two_metrics", 0.04),
        ("printed_twice", 0.04),  # the last one counts
        ("on_stderr", 0.04),
        ("writes_beside_itself", 0.04),
    ],
)
async def test_scripts_with_a_score(
    run: Run,
    project: Path,
    odd_scripts: ModuleType,
    confined: Sandbox,
    script: str,
    score: object,
) -> None:
    odd_scripts.write(script, project)
    before = sorted(os.listdir(project))
    result = await run(confined)
    assert (result.status, result.reason) == ("scored", ""), result.log
    assert result.val_bpb == score
    assert sorted(os.listdir(project)) == sorted({*before, ".arl"})  # the folder stays as it is


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        ("syntax_error", "crash", "SyntaxError: expected ':'"),
        ("missing_metric", "crash", "it ended without printing val_loss"),
        ("not_a_number", "crash", "its val_loss is nan"),
        ("crash", "crash", "ZeroDivisionError: float division by zero"),
        ("crash_after_score", "crash", "ValueError: after the score"),
        ("out_of_memory", "oom", "MemoryError: Unable to allocate 3.00 TiB"),
        ("cuda_out_of_memory", "oom", "CUDA out of memory. Tried to allocate 20.00 GiB"),
    ],
)
async def test_scripts_without_one(
    run: Run,
    project: Path,
    odd_scripts: ModuleType,
    confined: Sandbox,
    script: str,
    status: str,
    reason: str,
) -> None:
    odd_scripts.write(script, project)
    result = await run(confined)
    assert result.status == status
    assert reason in result.reason
    assert result.val_bpb is None


async def test_the_engine_minimises_what_shall_be_high(
    run: Run, project: Path, odd_scripts: ModuleType, confined: Sandbox
) -> None:
    odd_scripts.write("accuracy", project)
    result = await run(confined, metric="accuracy", metric_table={"direction": "max"})
    assert result.val_bpb == -0.96


async def test_two_hundred_megabytes_of_output(
    run: Run, project: Path, odd_scripts: ModuleType
) -> None:
    odd_scripts.write("much_output", project)
    result = await run(sandbox.detect("auto"), seconds=120)
    assert (result.status, result.val_bpb) == ("scored", 0.04)
    assert len(result.log) < 1 << 18


@pytest.mark.parametrize("script", ["child_outlives", "daemon_outlives"])
async def test_children_end_with_their_command(
    run: Run, project: Path, odd_scripts: ModuleType, confined: Sandbox, script: str
) -> None:
    odd_scripts.write(script, project)
    result = await run(confined)
    assert (result.status, result.val_bpb) == ("scored", 0.04)
    folder = str(project)
    assert not [p for p in psutil.process_iter() if _stands_in(p, folder)]


def _stands_in(process: psutil.Process, folder: str) -> bool:
    try:
        return process.cwd().startswith(folder)
    except psutil.Error:
        return False


async def test_a_deadline(
    run: Run, project: Path, odd_scripts: ModuleType, confined: Sandbox
) -> None:
    odd_scripts.write("endless", project)
    result = await run(confined, seconds=0.7)
    assert result.status == "timeout"
    assert result.reason.startswith("it ran longer than 0.701 s: 0.7 s of budget")


async def test_more_memory_than_the_slot_has(run: Run, project: Path, confined: Sandbox) -> None:
    (project / "train.py").write_text(
        "import time\nkept = bytearray(400 << 20)\nfor i in range(0, len(kept), 4096):\n"
        "    kept[i] = 1\ntime.sleep(30)\nprint('val_loss: 1')\n"
    )
    result = await run(confined, memory=200 << 20)
    assert result.status == "oom"


async def test_a_command_that_is_not_there(run: Run, project: Path, confined: Sandbox) -> None:
    (project / "train.py").write_text("LR = 0.1\n")
    result = await run(confined, target={"command": "no-such-program train.py"})
    assert result.status == "crash"
    assert "code 127" in result.reason
    assert "no-such-program: not found" in result.reason


async def test_a_variable_that_is_not_passed_on(
    run: Run, project: Path, confined: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "train.py").write_text("import os\nprint('val_loss:', os.environ['MY_KEY'])\n")
    monkeypatch.delenv("MY_KEY", raising=False)
    assert (await run(confined)).reason == "KeyError: 'MY_KEY'"
    monkeypatch.setenv("MY_KEY", "1")
    result = await run(confined)
    assert result.reason == "KeyError: 'MY_KEY' (to pass MY_KEY on, name it in access.pass_env)"
    assert (await run(confined, access={"pass_env": ["MY_KEY"]})).val_bpb == 1


async def test_progress_lines_are_the_curve(
    run: Run, project: Path, odd_scripts: ModuleType, confined: Sandbox
) -> None:
    odd_scripts.write("ten_lines", project)
    heard: list[CurvePoint] = []
    pattern = r"step (?P<step>\d+)/(?P<total>\d+) \| loss: (?P<loss>\S+)"
    result = await run(confined, progress={"pattern": pattern}, on_report=heard.append)
    assert result.status == "scored"
    assert result.curve
    assert result.curve[-1].step == 19
    assert [point.progress for point in result.curve] == sorted(p.progress for p in result.curve)
    assert heard[-1] == result.curve[-1]


SEEDED = """\
import os, random
SEED = 5
print(f"val_loss: {SEED}.{os.environ['ARL_SEED']}")
"""


async def test_each_run_has_a_seed(run: Run, project: Path, confined: Sandbox) -> None:
    (project / "train.py").write_text(SEEDED)
    assert (await run(confined, seed=77)).val_bpb == 5.77
    result = await run(confined, seed=77, target={"reseed": True})
    assert result.val_bpb == 82.77


WRITES = """\
import pathlib
try:
    with open("prepare.py", "a") as file:
        file.write("print('changed')")
except OSError:
    pathlib.Path("prepare.py").unlink(missing_ok=True)
print("val_loss: 0")
"""


async def test_what_is_frozen_stays(run: Run, project: Path, confined: Sandbox) -> None:
    (project / "train.py").write_text(WRITES)
    (project / "prepare.py").write_text("x = 1\n")
    result = await run(confined, target={"frozen": ["prepare.py"]})
    assert (project / "prepare.py").read_text() == "x = 1\n"
    assert result.val_bpb is None
    if confined.bwrap:
        assert result.status == "crash"  # it cannot even be removed
    else:
        assert (result.status, result.reason) == (
            "invalid",
            "it changed what is frozen: prepare.py",
        )


async def test_a_person_may_change_frozen_files_and_then_the_run_does_not_count(
    run: Run, project: Path, confined: Sandbox
) -> None:
    (project / "prepare.py").write_text("x = 1\n")
    (project / "train.py").write_text(
        "import time\nprint('step 1 loss: 1', flush=True)\ntime.sleep(0.5)\nprint('val_loss: 0')\n"
    )

    def change(point: CurvePoint) -> None:
        (project / "prepare.py").write_text("x = 2\n")

    result = await run(
        confined,
        target={"frozen": ["prepare.py"]},
        progress={"pattern": r"step (?P<step>\d+) loss: (?P<loss>\d+)"},
        on_report=change,
    )
    assert (result.status, result.val_bpb) == ("interrupted", None)
    assert result.reason == "prepare.py changed while it ran"


async def test_neither_secrets_nor_the_study_are_shown(
    run: Run, project: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "secret.txt").write_text("secret")
    (project / ".arl").mkdir()
    (project / ".arl" / "study.db").write_text("what was tried")
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    (project / "train.py").write_text(
        "import os, pathlib\n"
        "seen = [name for name in ('../secret.txt', '.arl/study.db') if os.path.exists(name)]\n"
        "seen += [name for name, value in os.environ.items() if value == 'secret']\n"
        "print('seen', seen)\nprint(f'val_loss: {len(seen)}')\n"
    )
    result = await run(sandbox.detect("auto"))
    if sandbox.detect("auto").bwrap is None:
        pytest.skip("no bubblewrap here")
    assert result.val_bpb == 0, result.log
    passed = await run(sandbox.detect("auto"), access={"pass_env": ["WANDB_API_KEY"]})
    assert passed.val_bpb == 1, passed.log


async def test_values_that_are_passed_on_are_not_recorded(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("WANDB_QUIET", "1")
    (project / "train.py").write_text(
        "import os\nprint('logged in with', os.environ['WANDB_API_KEY'], 1)\n"
        "raise ValueError(os.environ['WANDB_API_KEY'])\n"
    )
    passed = {"pass_env": ["WANDB_API_KEY", "WANDB_QUIET"]}
    result = await run(sandbox.detect("auto"), access=passed)
    assert "logged in with <WANDB_API_KEY> 1\n" in result.log
    assert result.reason == "ValueError: <WANDB_API_KEY>"
    assert "0123456789abcdef" not in result.log


async def test_a_score_that_is_not_found_says_what_was_sought(run: Run, project: Path) -> None:
    (project / "train.py").write_text("print('done')\n")
    result = await run(Sandbox())
    assert result.reason.endswith("(no line has `val_loss: number` or `val_loss = number`)")
    result = await run(Sandbox(), metric_table={"pattern": "^score (.*)"})
    assert result.reason.endswith("(no line matches ^score (.*))")


async def test_cancelling_leaves_nothing(project: Path, home: Path, confined: Sandbox) -> None:
    (project / "train.py").write_text("import time\ntime.sleep(600)\n")
    settings = validate(
        {"target": {"path": str(project / "train.py"), "command": f"{sys.executable} train.py"}}
    )
    target = command_target(settings)
    assert target is not None
    async with anyio.create_task_group() as tasks:
        executor = CommandExecutor(tasks, target, confined, project / ".arl" / "scratch")
        phases = anyio.Event()
        request = TrialRequest(
            1, 1, "import time\ntime.sleep(600)\n", 1, budget_for(settings, "cpu"), SLOT
        )
        job = await executor.submit(request, Listener(on_phase=lambda phase: phases.set()))
        await phases.wait()
        began = time.monotonic()
        await anyio.sleep(0.3)
        job.cancel()
        assert (await job.result()).status == "interrupted"
        assert time.monotonic() - began < 30
    assert not list((project / ".arl" / "scratch").iterdir())
    assert not [p for p in psutil.process_iter() if _stands_in(p, str(project))]


def _target(project: Path, **table: Any) -> CommandTarget:
    settings = validate(
        {"target": {"path": str(project / "train.py"), "command": "python train.py", **table}}
    )
    found = command_target(settings)
    assert found is not None
    return found


def test_what_makes_scores_comparable(project: Path) -> None:
    (project / "train.py").write_text("LR = 1\n")
    (project / "prepare.py").write_text("MAX_SEQ_LEN = 8\n")
    frozen = ["prepare.py"]
    target = _target(project, frozen=frozen)
    assert target.modules() == {"prepare": "MAX_SEQ_LEN = 8\n"}
    (project / "train.py").write_text("LR = 2\n")
    assert _target(project, frozen=frozen).digest == target.digest
    assert _target(project, frozen=frozen, command="python -O train.py").digest != target.digest
    (project / "prepare.py").write_text("MAX_SEQ_LEN = 9\n")
    assert _target(project, frozen=frozen).digest != target.digest


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"frozen": ["missing.py"]}, "missing.py cannot be read: No such file"),
        ({"frozen": ["../x.py"]}, "does not lie in"),
        ({"frozen": ["train.py"]}, "cannot be frozen and edited"),
        ({"dir": "/usr"}, "does not lie in /usr"),
        ({"dir": "/no/such/folder"}, "There is no folder /no/such/folder"),
    ],
)
def test_targets_that_cannot_be(project: Path, table: dict[str, Any], words: str) -> None:
    (project / "train.py").write_text("LR = 1\n")
    with pytest.raises(TargetError, match=words):
        _target(project, **table)


def test_a_script_that_is_a_link(project: Path) -> None:
    (project / "real.py").write_text("LR = 1\n")
    (project / "train.py").symlink_to("real.py")
    with pytest.raises(TargetError, match="is a link"):
        _target(project)


def test_options_that_the_command_gives_are_searched_in_vain() -> None:
    script = (
        "import argparse\nparser = argparse.ArgumentParser()\n"
        'parser.add_argument("--lr", type=float, default=0.1)\n'
        'parser.add_argument("--depth", type=int, default=4)\n'
        "args = parser.parse_args()\nprint(args.lr, args.depth)\n"
    )
    assert given_in_command(script, "python train.py") == []
    assert given_in_command(script, "python train.py --lr 0.2") == ["--lr"]
    assert given_in_command(script, "python train.py --depth=3 'a b") == ["--depth"]
