"""`arl-tui init`: what it writes, what it asks, and how it refuses."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from engine.settings import load_file, validate

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def tables() -> dict[str, Any]:
    """The file that was written, which must be settings."""
    found = load_file(Path("arl.toml"))
    validate(found)
    return found


def test_autoresearch_in_one_command(
    checkouts: ModuleType, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkouts.autoresearch(tmp_path / "mine", results=True)
    assert run(["init", str(folder)]) == Exit.OK
    printed = capsys.readouterr()
    assert printed.out == ""
    said = printed.err.splitlines()
    assert said[0] == "Recognised karpathy/autoresearch."
    assert any(line.startswith("Warning: there is no data in ~/.cache/auto") for line in said)
    assert said[-1].startswith(f"Next: cd {folder}; arl-tui try train.py")
    assert (tmp_path / "home/.cache/arl-tui/compiled").is_dir()
    monkeypatch.chdir(folder)
    assert tables()["target"]["command"] == "uv run train.py"
    text = (folder / "arl.toml").read_text("utf-8")
    assert text.startswith("# Written by `arl-tui init`, preset autoresearch.\n")
    assert "# trains once, and prints the score" in text


def test_an_existing_file_is_not_overwritten(odd_scripts: ModuleType, capsys: Captured) -> None:
    odd_scripts.write("ten_lines", Path())
    Path("arl.toml").write_text("seed = 7\n")
    assert run(["init", "--yes"]) == Exit.USAGE
    assert "`arl-tui init --force` writes it anew" in capsys.readouterr().err
    assert Path("arl.toml").read_text() == "seed = 7\n"
    assert run(["init", "--yes", "--force"]) == Exit.OK
    assert tables()["metric"]["name"] == "val_loss"


def test_every_odd_script_gets_a_file_or_a_sentence(
    odd_scripts: ModuleType, capsys: Captured
) -> None:
    for name in odd_scripts.SCRIPTS:
        odd_scripts.write(name, Path(name))
        code = run(["init", "--yes", name])
        said = capsys.readouterr().err.splitlines()
        written = Path(name, "arl.toml").exists()
        assert code == (Exit.OK if written else Exit.TARGET), name
        if not written:
            assert len(said) == 1, name
            assert said[0].startswith("train.py ")
            assert said[0].endswith(".")
    readable = {"ten_lines", "tabs", "windows_line_ends", "byte_order_mark", "latin_1", "accuracy"}
    assert all(Path(name, "arl.toml").exists() for name in readable)


def test_options_win_over_what_is_found(odd_scripts: ModuleType) -> None:
    odd_scripts.write("two_metrics", Path(), "fit.py")
    options = ["--script", "fit.py", "--command", "python -O fit.py", "--metric", "accuracy"]
    assert run(["init", *options, "--budget", "12.5"]) == Exit.OK
    found = tables()
    assert found["target"]["command"] == "python -O fit.py"
    assert (found["metric"]["name"], found["metric"]["direction"]) == ("accuracy", "max")
    assert found["budget"]["seconds"] == 12.5
    named = ["--script", "fit.py", "--metric", "elsewhere", "--direction", "max", "--force"]
    assert run(["init", *named]) == Exit.OK
    assert tables()["metric"] == {"name": "elsewhere", "direction": "max"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--preset", "magic"], Exit.USAGE, "no preset 'magic': choose one of autoresearch, nano"),
        (["--direction", "up"], Exit.USAGE, "no direction 'up'"),
        (["--budget", "-1"], Exit.USAGE, "no number of seconds"),
        (["--budget", "nan"], Exit.USAGE, "no number of seconds"),
        (["--command", " "], Exit.USAGE, "--command is empty"),
        (["--metric", "a b"], Exit.USAGE, "is no name of a score"),
        (["--script", "missing.py"], Exit.TARGET, "no file missing.py"),
        (["--script", "/etc/hostname"], Exit.USAGE, "lies outside of"),
        (["nowhere"], Exit.TARGET, "nowhere cannot be looked at: No such file or directory."),
        (["train.py"], Exit.TARGET, "train.py cannot be looked at: Not a directory."),
        (["--preset", "sealed"], Exit.TARGET, "does not define build_model and train"),
        (["--preset", "nanochat"], Exit.TARGET, "scripts/base_train.py cannot be used"),
    ],
)
def test_wrong_options_are_one_sentence(
    odd_scripts: ModuleType, capsys: Captured, arguments: list[str], code: int, sentence: str
) -> None:
    odd_scripts.write("ten_lines", Path())
    assert run(["init", "--yes", *arguments]) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not Path("arl.toml").exists()


def test_a_folder_that_cannot_be_written(odd_scripts: ModuleType, capsys: Captured) -> None:
    odd_scripts.write("ten_lines", Path("locked"))
    odd_scripts.write("ten_lines", Path("open"))
    assert run(["init", "open"]) == Exit.OK  # imports what it needs
    capsys.readouterr()
    os.chmod("locked", 0o555)
    before = os.geteuid()
    if before == 0:
        for folder in (Path.cwd(), *Path.cwd().parents[:3]):
            if folder.stat().st_uid == 0 and folder != Path("/tmp"):
                os.chmod(folder, 0o755)
        os.seteuid(65534)  # root may write everywhere
    try:
        code = run(["init", "locked"])
    finally:
        os.seteuid(before)
    assert code == Exit.USAGE
    assert "arl.toml cannot be written: Permission denied." in capsys.readouterr().err
    assert os.listdir("locked") == ["train.py"]


# Who runs the tests in the background of a shell has SIGINT ignored, and children inherit that.
_INIT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[1:] = ["init"]
from arl_tui.cli import main
main()
"""


class Terminal:
    """`arl-tui init` on a terminal, with a person who answers."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        command = [sys.executable, "-c", _INIT]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.seen = ""

    def close(self) -> None:
        """End it, however far it has come."""
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def until(self, text: str) -> None:
        """Wait until a text has been printed."""
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], 60)
            assert ready, self.seen
            try:
                self.seen += os.read(self.master, 4096).decode()
            except OSError:  # the other end is closed
                pytest.fail(f"it ended without {text!r}: {self.seen}")

    def answer(self, question: str, answer: str) -> None:
        self.until(question)
        self.seen = self.seen[self.seen.index(question) + len(question) :]
        os.write(self.master, answer.encode() + b"\n")

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        try:
            while data := os.read(self.master, 4096):
                self.seen += data.decode()
        except OSError:  # the other end is closed
            pass
        return self.process.wait(60)


Open = Callable[[], Terminal]


@pytest.fixture
def terminal() -> Iterator[Open]:
    """Opens terminals, and closes them at the end."""
    with contextlib.ExitStack() as opened:
        yield lambda: opened.enter_context(contextlib.closing(Terminal()))


def test_a_person_is_asked_what_is_not_clear(odd_scripts: ModuleType, terminal: Open) -> None:
    for name in ("a.py", "b.py"):
        odd_scripts.write("two_metrics", Path(), name)
    shown = terminal()
    shown.answer("Which script may be edited (a.py, b.py)?", "c.py")
    shown.answer("There is no file c.py.", "")
    shown.answer("Which script", "b.py")
    shown.answer("(val_loss, accuracy max)", "accuracy max")
    assert shown.end() == Exit.OK, shown.seen
    found = tables()
    assert (found["target"]["path"], found["metric"]["name"]) == ("b.py", "accuracy")
    assert "Which command" not in shown.seen


def test_enter_takes_the_default(odd_scripts: ModuleType, terminal: Open) -> None:
    odd_scripts.write("two_metrics", Path())
    shown = terminal()
    shown.answer("[val_loss]", "")
    assert shown.end() == Exit.OK, shown.seen
    assert tables()["metric"]["name"] == "val_loss"


def test_ctrl_c_leaves_nothing_behind(odd_scripts: ModuleType, terminal: Open) -> None:
    odd_scripts.write("two_metrics", Path())
    shown = terminal()
    shown.until("[val_loss]")
    for _ in range(10):  # one that comes just before it reads is not seen
        shown.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            shown.process.wait(10)
            break
    assert shown.end() == Exit.INTERRUPTED, shown.seen
    assert os.listdir() == ["train.py"]


def test_it_imports_neither_torch_nor_the_screen(odd_scripts: ModuleType) -> None:
    odd_scripts.write("ten_lines", Path())
    code = (
        "import sys, arl_tui.cli as c; code = c.run(['init', '--yes']); "
        "assert not {'torch', 'textual', 'numpy'} & set(sys.modules); sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert tomllib.loads(Path("arl.toml").read_text())["name"] == "here"
