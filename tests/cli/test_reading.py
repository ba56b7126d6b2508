"""The commands that read a study: what they print, where, and how they refuse."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import unidiff

from arl_tui.cli import run
from arl_tui.exits import Exit
from state.lock import EngineLock
from state.schema import current_version

EXAMPLE = Path(__file__).parents[1] / "state" / "assets" / f"schema_{current_version()}.db"
COMMANDS = [["status"], ["history"], ["show", "1"], ["diff", "2"], ["best"], ["export", "tsv"]]

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study in ./.arl: baseline 0, replicate 1, best 2, crash 3, and 4 cut by a kill."""
    folder = tmp_path / ".arl"
    folder.mkdir()
    shutil.copyfile(EXAMPLE, folder / "study.db")
    monkeypatch.chdir(tmp_path)
    return folder


def change(study: Path, sql: str) -> None:
    db = sqlite3.connect(study / "study.db")
    db.execute(sql)
    db.commit()
    db.close()


def printed_json(capsys: Captured, *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_contention_is_shown(study: Path, capsys: Captured) -> None:
    assert printed_json(capsys, "status")["contention"] is None
    told = """'{"contended": true, "sentence": "The machine is busy: very"}'"""
    change(study, f"INSERT INTO events (at, type, data) VALUES ('', 'contention', {told})")
    assert printed_json(capsys, "status")["contention"] == "The machine is busy: very"
    assert run(["status"]) == run(["show", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line.split(maxsplit=1)[1] for line in lines if line.startswith("contention")]
    waited = "waited for a processor 2.0 % of its time; others used 3 % of the processors"
    assert found == ["as last said: The machine is busy: very", waited]
    shown = printed_json(capsys, "show", "2")
    assert (shown["contention"], shown["other_load"]) == (0.02, 0.03)


def test_status(study: Path, capsys: Captured) -> None:
    with EngineLock(study / "engine.lock"):
        now = printed_json(capsys, "status")
        assert (now["state"], now["engine_pid"]) == ("running", os.getpid())
    now = printed_json(capsys, "status")
    assert (now["state"], now["engine_pid"], now["experiments"]) == ("stopped", None, 5)
    assert now["baseline"] == pytest.approx(2.42)
    assert (now["best"], now["best_id"], now["sigma"]) == (2.32, 2, 0.01)
    assert run(["status"]) == 0
    said = capsys.readouterr().out
    assert "stopped: the engine ended unexpectedly" in said
    assert "2.3200 (experiment 2, -4.1 % against the baseline)" in said


def test_status_says_what_early_aborts_came_to(study: Path, capsys: Captured) -> None:
    panel = json.dumps({"state": "on", "sentence": "12 aborted; 3 let run"})
    change(study, f"INSERT OR REPLACE INTO panels VALUES ('selfeval', '2026', '{panel}')")
    assert printed_json(capsys, "status")["selfeval"]["state"] == "on"
    assert run(["status"]) == Exit.OK
    assert "self-eval   12 aborted; 3 let run" in capsys.readouterr().out


def test_status_says_what_the_oracle_says(study: Path, capsys: Captured) -> None:
    readings = [
        {"name": "hours", "used": 0.5, "stop": False, "sentence": "4 of 8 " + "long " * 30},
        {"name": "energy", "used": None, "stop": False, "sentence": "no \x1b[31mpower"},
    ]
    panel = json.dumps({"readings": readings})
    change(study, f"INSERT OR REPLACE INTO panels VALUES ('oracle', '2026', '{panel}')")
    assert printed_json(capsys, "status")["oracle"] == readings
    assert run(["status"]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert "oracle said  50% hours: 4 of 8 long" in said
    assert lines[-1].split() == ["-", "energy:", "no", "\\x1b[31mpower"]
    assert max(map(len, lines)) <= 80


def test_status_names_a_gain_that_the_end_has_left_undecided(study: Path, capsys: Captured) -> None:
    assert run(["status"]) == 0
    assert "open " not in capsys.readouterr().out
    change(
        study,
        "UPDATE experiments SET status = 'discard', val_bpb = 1.5, summary = 'DEPTH 4 -> 6', "
        "kind = 'candidate', reason = 'fresh runs are to confirm it' WHERE id = 3",
    )
    assert run(["status"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "open #3 DEPTH 4 -> 6: val-bpb 1.5000 once, not confirmed yet" in shown


def test_history(study: Path, capsys: Captured) -> None:
    rows = printed_json(capsys, "history")
    assert [row["id"] for row in rows] == [0, 1, 2, 3, 4]
    assert {
        "id", "parent_id", "kind", "status", "reason", "val_bpb", "delta", "seconds", "device",
        "policy", "edit", "started_at", "why", "source_sha", "seed", "attempt", "comparable",
    } <= set(rows[2])  # fmt: skip
    assert (rows[2]["parent_id"], rows[2]["delta"], rows[2]["status"]) == (0, -0.11, "keep")
    assert rows[4]["status"] == "interrupted"
    assert [r["id"] for r in printed_json(capsys, "history", "--kind", "candidate")] == [2, 3, 4]
    assert [r["id"] for r in printed_json(capsys, "history", "--status", "crash")] == [3]
    assert [r["id"] for r in printed_json(capsys, "history", "--last", "2")] == [3, 4]
    assert run(["history", "--status", "won"]) == Exit.USAGE
    assert "keep, discard" in capsys.readouterr().err


def test_tables_fit_eighty_columns(
    study: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    change(study, "UPDATE experiments SET summary = 'WIDTH 字 ' || hex(zeroblob(99)) WHERE id > 1")
    assert run(["history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert max(len(line) + line.count("字") for line in lines) == 80
    assert lines[3].startswith("*    2  keep ")
    change(
        study,
        "INSERT INTO epochs SELECT 2, 'x', 'y', environment, budget, clock, 'GPU', '3' FROM epochs",
    )
    assert run(["history"]) == 0
    assert "not comparable" in capsys.readouterr().out
    assert [row["comparable"] for row in printed_json(capsys, "history")] == [False] * 5


def test_show(study: Path, capsys: Captured) -> None:
    shown = printed_json(capsys, "show", "3")
    assert (shown["log"], shown["status"], shown["curve"]) == ("Traceback\n", "crash", [])
    assert shown["source"] == "DEPTH = 1\nWIDTH = 0\n"
    assert run(["show", "best"]) == 0
    said = capsys.readouterr().out
    assert "experiment  2 (candidate from 0)" in said
    assert "+DEPTH = 3" in said


def test_show_says_what_self_evaluation_saw(study: Path, capsys: Captured) -> None:
    evaluation = printed_json(capsys, "show", "2")["evaluation"]
    assert (evaluation["condemned_at"], evaluation["audited"]) == (0.5, True)
    assert evaluation["looks"][0]["forecast"] == 2.5
    assert printed_json(capsys, "show", "1")["evaluation"] is None
    assert run(["show", "2"]) == 0
    said = capsys.readouterr().out
    assert "wrongly found hopeless at 50 %, let run: ended at 2.3100, below 2.4500" in said
    assert " 50 %  4.600  4.200    2.500  0.050     2.450 hopeless" in said


def test_what_a_trial_wrote_cannot_steer_the_terminal(study: Path, capsys: Captured) -> None:
    nasty = "char(27) || ']0;title' || char(7) || char(155) || '2J' || char(8238) || 'x'"
    change(
        study,
        f"UPDATE experiments SET summary = {nasty}, why = {nasty}, reason = {nasty}, "
        f"diff = '+' || {nasty} WHERE id = 3",
    )
    change(study, f"UPDATE logs SET text = {nasty} WHERE experiment_id = 3")
    for arguments in (["show", "3"], ["history"], ["export", "tsv"]):
        assert run(arguments) == 0
        printed = capsys.readouterr().out
        assert not set(printed) & {"\x1b", "\x07", "\x9b", "\u202e"}
    assert run(["diff", "3"]) == 0
    assert "\x1b]0;title" in capsys.readouterr().out  # a pipe gets the exact text


def test_diff(study: Path, capsys: Captured) -> None:
    assert run(["diff", "best"]) == 0
    (changed,) = unidiff.PatchSet(capsys.readouterr().out)
    assert (changed.path, changed.added, changed.removed) == ("train.py", 1, 1)
    assert printed_json(capsys, "diff", "2")["from_id"] == 0
    assert run(["diff", "0"]) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "edits nothing" in printed.err
    change(study, "UPDATE study SET target_name = 'Fit.py'")
    for arguments in (["diff", "2"], ["diff", "best"], ["show", "2"]):
        assert run(arguments) == 0
        assert "--- a/Fit.py\n+++ b/Fit.py\n" in capsys.readouterr().out


def test_best(study: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run(["best"]) == 0
    assert capsys.readouterr().out == "DEPTH = 3\nWIDTH = 64\n"
    assert printed_json(capsys, "best")["val_bpb"] == 2.32
    target = tmp_path / "take home.py"
    assert run(["best", "--output", str(target)]) == 0
    assert target.read_text() == "DEPTH = 3\nWIDTH = 64\n"
    target.write_text("mine")
    target.chmod(0o600)
    assert run(["best", "--output", str(target)]) == Exit.USAGE
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert run(["best", "--output", str(target), "--force"]) == 0
    assert target.read_text().startswith("DEPTH = 3")
    assert target.stat().st_mode & 0o777 == 0o600
    assert run(["best", "--output", str(tmp_path / "no" / "x.py")]) == Exit.USAGE
    assert run(["best", "--output", str(tmp_path), "--force"]) == Exit.USAGE
    assert sorted(p.name for p in tmp_path.iterdir()) == [".arl", "take home.py"]


def test_best_gives_back_the_exact_bytes(study: Path) -> None:
    text = "\ufeffDEPTH = 3\r\nNAME = 'é\u2028\x0c'\n\n# no newline at the end"
    db = sqlite3.connect(study / "study.db")
    db.execute(
        "UPDATE sources SET text = ? WHERE sha256 = (SELECT source_sha FROM experiments "
        "WHERE id = 2)",
        (text,),
    )
    db.commit()
    db.close()
    command = [sys.executable, "-m", "arl_tui.cli", "best"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    printed = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert printed == text.encode()


def test_export(study: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run(["export", "tsv"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == "commit\tval_bpb\tmemory_gb\tstatus\tdescription"
    assert run(["export", "tsv", "-o", str(tmp_path / "results.tsv")]) == 0
    assert (tmp_path / "results.tsv").read_text() == printed
    assert printed_json(capsys, "export", "tsv")[0]["status"] == "keep"
    assert run(["export", "xml"]) == Exit.USAGE


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_study_every_command_says_so(
    command: list[str], tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command) == Exit.NOT_FOUND
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "--study" in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_study_names_the_folder_and_reading_leaves_no_trace(
    command: list[str], study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert run([*command, "--study", str(study)]) == 0
    assert os.listdir(study) == ["study.db"]


def test_a_study_that_has_no_score_yet(study: Path, capsys: Captured) -> None:
    change(study, "DELETE FROM incumbents")
    change(study, "UPDATE experiments SET status = 'crash', val_bpb = NULL WHERE id < 3")
    assert printed_json(capsys, "status")["best"] is None
    for command in (["best"], ["show", "best"], ["diff", "best"]):
        assert run(command) == Exit.NOT_FOUND
    assert "baseline" in capsys.readouterr().err
    assert run(["history"]) == 0
    assert run(["status"]) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "99"], Exit.NOT_FOUND),
        (["show", "9" * 30], Exit.USAGE),
        (["show", "x"], Exit.USAGE),
        (["show"], Exit.USAGE),
        (["nonsense"], Exit.USAGE),
        (["history", "--last", "0"], Exit.USAGE),
        (["status", "--study"], Exit.USAGE),
    ],
)
def test_a_bad_command_line_is_one_sentence(
    study: Path, arguments: list[str], code: Exit, capsys: Captured
) -> None:
    assert run(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err


def test_a_database_that_cannot_be_used(study: Path, capsys: Captured) -> None:
    change(study, "PRAGMA user_version = 9")
    assert run(["status"]) == Exit.DATABASE
    assert "schema 9" in capsys.readouterr().err
    (study / "study.db").write_bytes(b"x" * 9999)
    assert run(["status"]) == Exit.DATABASE
    assert "damaged" in capsys.readouterr().err


def test_an_unexpected_error_is_reported_in_a_file(
    study: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("arl_tui.commands.reading.find_folder", lambda study: 1 / 0)
    assert run(["status"]) == Exit.INTERNAL
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    (report,) = (tmp_path / "state").rglob("errors.log")
    assert str(report) in said
    assert "ZeroDivisionError" in report.read_text()
    monkeypatch.setenv("ARL_DEBUG", "1")
    assert run(["status"]) == Exit.INTERNAL
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(study: Path) -> None:
    change(study, "UPDATE experiments SET diff = hex(zeroblob(500000)) WHERE id = 2")
    for arguments in (["diff", "2"], ["history"], ["status", "--json"]):
        command = [sys.executable, "-m", "arl_tui.cli", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as shown:
            assert shown.stdout is not None
            assert shown.stderr is not None
            shown.stdout.close()
            assert shown.stderr.read() == b""
        assert shown.returncode == 0


def test_colour_is_for_terminals_without_no_color(study: Path) -> None:
    def on_a_terminal(**environment: str) -> bytes:
        master, slave = pty.openpty()
        base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
        command = [sys.executable, "-m", "arl_tui.cli", "history"]
        subprocess.run(
            command, env=base | {"TERM": "xterm-256color"} | environment, stdout=slave, check=True
        )
        os.close(slave)
        printed = os.read(master, 65536)
        os.close(master)
        return printed

    assert b"\x1b[" in on_a_terminal()
    plain = on_a_terminal(NO_COLOR="1")
    assert b"\x1b" not in plain
    assert b"keep" in plain


def test_help_needs_no_torch_and_no_study(tmp_path: Path) -> None:
    code = (
        "import sys, arl_tui.cli as c; sys.argv = ['arl-tui', '--help']; code = c.run(['--help']); "
        "assert not {'torch', 'textual', 'libcst'} & set(sys.modules); sys.exit(code)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "history" in shown.stdout
    assert shown.stderr == ""
