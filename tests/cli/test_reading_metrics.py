"""What the commands say of a study whose command prints its own score, and higher is better."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from arl_tui.cli import run
from arl_tui.made_up import make_study
from arl_tui.made_up_metric import ACCURACY, BPB
from arl_tui.summary import summary_lines
from state.folder import StudyFolder
from state.read import Reader

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """60 experiments of a command that prints its accuracy; #26 is the best."""
    folder = StudyFolder(tmp_path / ".arl")
    make_study(folder, 60, running=False, scale=ACCURACY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return folder


def change(study: StudyFolder, sql: str) -> None:
    db = sqlite3.connect(study.database)
    db.execute(sql)
    db.commit()
    db.close()


def printed(capsys: Captured, *arguments: str) -> list[str]:
    assert run(list(arguments)) == 0
    return capsys.readouterr().out.splitlines()


def printed_json(capsys: Captured, *arguments: str) -> Any:
    return json.loads("\n".join(printed(capsys, *arguments, "--json")))


def test_status_names_the_metric_once_and_says_who_measured_it(
    study: StudyFolder, capsys: Captured
) -> None:
    lines = printed(capsys, "status")
    assert "score       accuracy (self-reported), higher is better" in lines
    assert "best        0.4251 (experiment 26, +0.7 % against the baseline)" in lines
    assert "noise       sigma 0.0010" in lines
    assert sum("self-reported" in line for line in lines) == 1
    assert not any("bpb" in line for line in lines)
    now = printed_json(capsys, "status")
    assert (now["metric"], now["direction"], now["self_reported"]) == ("accuracy", "max", True)
    assert now["epoch"]["environment"]["frozen"] == ["data.py"]
    assert now["best"] > now["baseline"]


def test_history_has_a_column_of_the_metric(study: StudyFolder, capsys: Captured) -> None:
    lines = printed(capsys, "history")
    assert lines[0] == "    id  status         accuracy       delta    secs  edit"
    assert lines[27].startswith("*   26  keep             0.4251     +0.0032     300  ")
    assert lines[-1] == "accuracy is self-reported: the command prints it"
    assert sum("self-reported" in line for line in lines) == 1
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("score", "delta", "shown"),
    [
        (-1.5e9, 2.6e5, "-1.5000e9        +3e5"),
        (0.0, 0.0, "0.0000     +0.0000"),
        (4.2e-8, -1e-9, "4.2000e-8   -1.000e-9"),
        (-1.5e-300, 1.5e-300, "-1.50e-300  +1.50e-300"),
    ],
)
def test_any_number_fits_the_table(
    study: StudyFolder, capsys: Captured, score: float, delta: float, shown: str
) -> None:
    change(study, f"UPDATE experiments SET val_bpb = {score}, delta = {delta} WHERE id = 26")
    lines = printed(capsys, "history")
    assert shown in lines[27]
    assert lines[27].index("MATRIX_LR") == lines[0].index("edit")
    assert max(map(len, lines)) <= 80


def test_a_long_or_hostile_name_stays_in_its_place(study: StudyFolder, capsys: Captured) -> None:
    change(study, "UPDATE study SET metric = '字[b]' || char(155) || '31m-and-so-on'")
    lines = printed(capsys, "history")
    assert lines[0].index("edit") == lines[27].index("MATRIX_LR") - 1  # a wide character
    for command in (["status"], ["show", "26"], ["best", "-o", "best.py"]):
        assert "\x9b" not in "\n".join(printed(capsys, *command))


def test_show_says_which_sign_is_better(study: StudyFolder, capsys: Captured) -> None:
    lines = printed(capsys, "show", "26")
    assert "score       accuracy 0.4251 (self-reported)" in lines
    assert "delta       +0.0032 (positive is better)" in lines
    change(study, "UPDATE study SET metric = 'val_bpb', direction = 'min'")
    lines = printed(capsys, "show", "26")
    assert "val-bpb     0.4251 (self-reported)" in lines
    assert "delta       +0.0032 (negative is better)" in lines


def test_an_aborted_one_is_judged_in_the_metrics_direction(
    study: StudyFolder, capsys: Captured
) -> None:
    with Reader(study) as reader:
        audited = [e for e in reader.history(status="discard") if is_audited(reader, e.id)]
        limits = {e.id: limit_of(reader, e.id) for e in audited}
    assert audited
    for experiment in audited:
        assert experiment.val_bpb is not None
        right = experiment.val_bpb <= limits[experiment.id]
        word, place = ("rightly", "below") if right else ("wrongly", "above")
        (line,) = (x for x in printed(capsys, "show", str(experiment.id)) if "self-eval  " in x)
        assert f"{word} found hopeless" in line
        assert line.endswith(f"{place} {limits[experiment.id]:.4f}")


def is_audited(reader: Reader, experiment_id: int) -> bool:
    seen = reader.evaluation(experiment_id)
    return seen is not None and seen.audited


def limit_of(reader: Reader, experiment_id: int) -> float:
    seen = reader.evaluation(experiment_id)
    assert seen is not None
    assert seen.threshold is not None
    return seen.threshold


def test_best_says_what_it_is_worth(study: StudyFolder, capsys: Captured) -> None:
    assert run(["best", "-o", "best.py"]) == 0
    said = capsys.readouterr().err
    assert said == "Experiment 26, accuracy 0.4251 (self-reported), is now in best.py.\n"
    best = printed_json(capsys, "best")
    assert (best["metric"], best["direction"], best["self_reported"]) == ("accuracy", "max", True)
    assert best["val_bpb"] == pytest.approx(0.4251, abs=1e-4)


def test_the_summary_counts_what_was_gained(study: StudyFolder, tmp_path: Path) -> None:
    with Reader(study) as reader:
        lines = summary_lines(reader, tmp_path)
    assert "Baseline   accuracy (self-reported) 0.4220" in lines
    assert "Best       accuracy 0.4251 (#26): 0.0031 higher, 3.1 sigma" in lines
    assert sum("self-reported" in line for line in lines) == 1


def test_a_sealed_study_is_no_self_report(tmp_path: Path, capsys: Captured) -> None:
    folder = StudyFolder(tmp_path / "sealed")
    make_study(folder, 60, running=False, scale=BPB)
    where = ("--study", str(folder.path))
    for command in (["status"], ["history"], ["show", "26"]):
        assert "reported" not in "\n".join(printed(capsys, *command, *where))
    assert printed_json(capsys, "status", *where)["self_reported"] is False
    with Reader(folder) as reader:
        assert "Baseline   val-bpb 2.3122" in summary_lines(reader, tmp_path)
