"""What leaves a study: tsv, json and git, from the command line."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from arl_tui.cli import run
from arl_tui.exits import Exit
from arl_tui.made_up import make_study
from state.folder import StudyFolder
from state.read import Reader

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """A finished study of 120 experiments in ./.arl, of which several are kept."""
    folder = StudyFolder(tmp_path / ".arl")
    make_study(folder, 120, running=False)
    monkeypatch.chdir(tmp_path)
    return folder


def change(study: StudyFolder, sql: str, *values: object) -> None:
    db = sqlite3.connect(study.database)
    db.execute(sql, values)
    db.commit()
    db.close()


def exported(capsys: Captured, *arguments: str) -> Any:
    assert run(["export", "json", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_json_holds_the_whole_study(study: StudyFolder, capsys: Captured) -> None:
    found = exported(capsys)
    with Reader(study) as reader:
        now, experiments = reader.status(), reader.history()
        incumbents, events = reader.incumbents(), reader.events()
        seen = {e.id: reader.evaluation(e.id) for e in experiments}
    assert found["format"] == 1
    assert (found["study"]["name"], found["study"]["direction"]) == ("overnight", "min")
    assert (found["now"]["best"], found["now"]["best_id"]) == (now.best, now.best_id)
    assert [epoch["id"] for epoch in found["epochs"]] == [1]
    assert [row["score"] for row in found["incumbents"]] == [one.score for one in incumbents]
    assert len(found["events"]) == len(events)
    assert len(found["experiments"]) == len(experiments) == 120
    for row, experiment in zip(found["experiments"], experiments, strict=True):
        for key in ("id", "kind", "status", "val_bpb", "diff", "summary", "source_sha", "edit"):
            assert row[key] == getattr(experiment, key)
        evaluation = seen[experiment.id]
        assert (row["evaluation"] is None) == (evaluation is None)
        if evaluation is not None:
            assert row["evaluation"]["condemned_at"] == evaluation.condemned_at
    assert any(seen.values())
    assert "sources" not in found


def test_json_has_every_source_if_asked(
    study: StudyFolder, tmp_path: Path, capsys: Captured
) -> None:
    found = exported(capsys, "--sources")
    with Reader(study) as reader:
        for row in found["experiments"]:
            assert found["sources"][row["source_sha"]] == reader.source(row["source_sha"])
    assert run(["export", "json", "--sources", "-o", str(tmp_path / "all.json")]) == 0
    assert json.loads((tmp_path / "all.json").read_text()) == found
    assert run(["export", "json", "-o", str(tmp_path / "all.json")]) == Exit.USAGE
    assert "--force" in capsys.readouterr().err


def test_json_has_what_the_study_was_given(study: StudyFolder, capsys: Captured) -> None:
    found = exported(capsys)
    assert (found["program"], found["prior_results"]) == (None, [])
    change(study, "INSERT INTO documents VALUES ('program', 'Be bold.\n', '2026')")
    change(study, "INSERT INTO prior_results VALUES (0, 'a1b2c3d', 2.5, NULL, 'keep', 'baseline')")
    found = exported(capsys)
    assert found["program"] == "Be bold.\n"
    assert [(one["commit"], one["score"]) for one in found["prior_results"]] == [("a1b2c3d", 2.5)]


def test_json_reads_page_by_page(
    study: StudyFolder, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exported(capsys, "--sources")
    monkeypatch.setattr("state.archive.PAGE", 7)
    assert exported(capsys, "--sources") == whole


def test_json_of_a_study_that_has_not_begun(study: StudyFolder, capsys: Captured) -> None:
    for table in ("curves", "logs", "events", "evaluations", "incumbents", "experiments"):
        change(study, f"DELETE FROM {table}")
    found = exported(capsys, "--sources")
    assert (found["experiments"], found["events"], found["incumbents"]) == ([], [], [])
    assert found["now"]["best"] is None


def test_json_keeps_secrets_and_what_is_no_number_out(study: StudyFolder, capsys: Captured) -> None:
    settings = json.dumps({"access": {"env": {"TOKEN": "hush"}, "network": True}})
    change(study, "UPDATE study SET settings = ?", settings)
    change(study, "UPDATE experiments SET seconds = 9e999, summary = ? WHERE id = 4", "\x1b'\"\\</")
    assert run(["export", "json"]) == 0
    printed = capsys.readouterr().out
    assert "hush" not in printed
    assert "\x1b" not in printed
    found = json.loads(printed)
    assert found["study"]["settings"]["access"] == {"env": {"TOKEN": None}, "network": True}
    assert found["experiments"][4]["seconds"] is None
    assert found["experiments"][4]["summary"] == "\x1b'\"\\</"


def test_tsv_names_another_metric_and_shows_small_scores(
    study: StudyFolder, capsys: Captured
) -> None:
    change(study, "UPDATE study SET metric = 'accuracy', direction = 'max'")
    change(study, "UPDATE experiments SET val_bpb = 0.0000123456 WHERE id = 0")
    assert run(["export", "tsv"]) == 0
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split("\t") == ["commit", "accuracy", "memory_gb", "status", "description"]
    assert first.split("\t")[1] == "1.23456e-05"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose train.py the study edits."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "train.py").write_text("LR = 1\n")
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=P", "-c", "user.email=p@example.org", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path / "repo", check=True)
    return tmp_path / "repo"


def test_git_makes_the_branch_from_the_record(
    study: StudyFolder, repository: Path, capsys: Captured
) -> None:
    settings = json.dumps({"target": {"path": str(repository / "train.py")}})
    change(study, "UPDATE study SET settings = ?", settings)
    assert run(["export", "git", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    with Reader(study) as reader:
        kept = [e.id for e in reader.history(status="keep") if e.kind == "candidate"]
        best = reader.status().best_id
        assert best is not None
        source = reader.source(reader.experiment(best).source_sha)
    assert len(kept) > 1
    assert [one["id"] for one in done["made"]] == [0, *kept]
    assert (done["branch"], done["path"], done["experiment"]) == ("arl/overnight", "train.py", best)
    shown = ["git", "show", f"{done['commit']}:train.py"]
    printed = subprocess.run(shown, cwd=repository, capture_output=True, check=True).stdout
    assert printed == source.encode()
    assert run(["export", "git"]) == 0
    assert "There is nothing new for the branch arl/overnight" in capsys.readouterr().err
    assert run(["export", "git", "--branch", "again", "--file", str(repository / "train.py")]) == 0
    said = capsys.readouterr().err
    assert said.startswith(f"Added {len(kept) + 1} commits to the branch again of {repository}")


def test_git_says_in_a_sentence_why_it_cannot(
    study: StudyFolder, repository: Path, tmp_path: Path, capsys: Captured
) -> None:
    def refused(*arguments: str) -> tuple[int, str]:
        code = run(["export", "git", *arguments])
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        return code, printed.err

    code, said = refused()
    assert code == Exit.GIT
    assert "--file" in said  # it edits the shipped script
    code, said = refused("--file", str(tmp_path / "train.py"))
    assert (code, "git init" in said) == (Exit.GIT, True)
    code, said = refused("--file", str(repository / "train.py"), "--branch", "main")
    assert (code, "is not one of this study" in said) == (Exit.GIT, True)
    change(study, "DELETE FROM incumbents")
    code, said = refused("--file", str(repository / "train.py"))
    assert code == Exit.NOT_FOUND


@pytest.mark.parametrize("to", ["tsv", "json", "git", "html"])
def test_an_export_needs_a_study_and_leaves_no_trace(
    to: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", to]) == Exit.NOT_FOUND
    assert "--study" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    study = StudyFolder(tmp_path / "study")
    make_study(study, 20, running=False)
    before = sorted(study.path.rglob("*"))
    assert run(["export", to, "--study", "study"]) == (Exit.GIT if to == "git" else 0)
    assert sorted(study.path.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments", [[], ["xml"], ["tsv", "--sources"], ["json", "--branch", "x"]]
)
def test_an_export_that_there_is_not(arguments: list[str], capsys: Captured) -> None:
    assert run(["export", *arguments]) == Exit.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
