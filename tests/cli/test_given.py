"""The commands that show what a study was given: program, and history with earlier results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import anyio
import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from engine.prior_results import parse_results
from state.folder import StudyFolder
from state.schema import current_version
from state.store import Store

EXAMPLE = Path(__file__).parents[1] / "state" / "assets" / f"schema_{current_version()}.db"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """The example in ./.arl, with a program and without earlier results."""
    folder = StudyFolder(tmp_path / ".arl")
    folder.make()
    shutil.copyfile(EXAMPLE, folder.database)
    monkeypatch.chdir(tmp_path)
    return folder


def give(study: StudyFolder, results: str = "", program: str | None = None) -> None:
    async def record() -> None:
        async with Store.open(study) as store:
            await store.add_prior_results(parse_results(results, "val_bpb")[0])
            if program is not None:
                await store.set_document("program", program)

    anyio.run(record)


def test_the_program_is_printed_as_it_is(study: StudyFolder, capsys: Captured) -> None:
    assert run(["program"]) == Exit.OK
    assert capsys.readouterr().out == "# Lower the score\n"
    give(study, program="tabs\t\x1b[31m\r\n")
    assert run(["program"]) == Exit.OK
    assert capsys.readouterr().out == "tabs\t\x1b[31m\r\n"
    assert run(["program", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"program": "tabs\t\x1b[31m\r\n"}


def test_no_program_is_a_sentence(study: StudyFolder, capsys: Captured) -> None:
    import sqlite3

    db = sqlite3.connect(study.database)
    db.execute("DELETE FROM documents")
    db.commit()
    db.close()
    assert run(["program"]) == Exit.NOT_FOUND
    assert "This study has no program" in capsys.readouterr().err
    assert run(["program", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"program": None}


def test_earlier_results_come_before_the_study_s(
    study: StudyFolder, checkouts: ModuleType, capsys: Captured
) -> None:
    assert run(["history"]) == Exit.OK
    without = capsys.readouterr().out
    give(study, checkouts.RESULTS)
    assert run(["history"]) == Exit.OK
    shown = capsys.readouterr().out
    assert shown.endswith("\n\n" + without)
    lines = shown.splitlines()
    assert lines[0] == "before this study, from a results.tsv: not comparable with its scores"
    assert lines[3].split()[:3] == ["2", "keep", "2.2073"]
    assert "MATRIX_LR 0.02 -> 0.04" in lines[3]
    assert lines[5].split()[:4] == ["4", "crash", "-", "-"]
    assert run(["history", "--status", "keep"]) == Exit.OK
    assert "before this study" not in capsys.readouterr().out


def test_prior_alone(study: StudyFolder, checkouts: ModuleType, capsys: Captured) -> None:
    assert run(["history", "--prior"]) == Exit.OK
    assert "No results of before this study" in capsys.readouterr().err
    give(study, checkouts.RESULTS)
    assert run(["history", "--prior", "--json"]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)
    assert set(rows[0]) == {"position", "commit", "score", "memory_mb", "status", "description"}
    assert [row["score"] for row in rows] == [2.3114, 2.2073, 2.2541, None]
    assert run(["history", "--json"]) == Exit.OK
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [0, 1, 2, 3, 4]
    assert run(["history", "--prior", "--last", "1"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "3 earlier ones: arl-tui history --prior"
    assert len(lines) == 4


def test_many_and_nasty_results_fit_eighty_columns(
    study: StudyFolder, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    row = (
        "字字字\t-1234567890.123\t1e9\tke\x1b[31mep and more\t" + "wide 字 \x1b]0;x\x07" * 20 + "\n"
    )
    give(study, "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n" + row * 30)
    assert run(["history"]) == Exit.OK
    shown = capsys.readouterr().out
    before = shown.split("\n\n")[0].splitlines()
    assert len(before) == 2 + 1 + 20
    assert "\x1b" not in shown
    assert all(len(line) + line.count("字") <= 80 for line in before)
