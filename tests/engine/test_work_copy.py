"""Work copies: what is copied, what stays where it is, and what a script never sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import frozen_files, work_copy
from engine.frozen_files import FrozenFiles
from engine.work_copy import LARGEST_FILE, MOST_FILES, copy, survey


def _tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "pkg").mkdir(parents=True)
    (folder / "train.py").write_text("LR = 0.1\n")
    (folder / "pkg" / "model.py").write_text("x = 1\n")
    (folder / "pkg" / "__pycache__").mkdir()
    (folder / "pkg" / "__pycache__" / "model.pyc").write_text("")
    (folder / ".venv").mkdir()
    (folder / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (folder / ".arl").mkdir()
    (folder / ".arl" / "study.db").write_text("what was tried")
    return folder


def test_small_files_are_copied_and_environments_are_shared(project: Path, tmp_path: Path) -> None:
    (project / "train.py").chmod(0o444)
    with (project / "data.bin").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    layout = survey(project, "train.py")
    assert set(layout.copied) == {"train.py", "pkg/model.py"}
    assert set(layout.shared) == {".venv", "data.bin"}
    into = tmp_path / "copy"
    copy(project, layout, into, link_shared=False)
    assert _tree(into) == {"train.py", "pkg", "pkg/model.py", ".venv", "data.bin"}
    (into / "train.py").write_text("LR = 0.2\n")  # the copy is the command's to change
    assert (project / "train.py").read_text() == "LR = 0.1\n"
    assert (into / "data.bin").stat().st_size == 0  # the place to lay it over


def test_without_bubblewrap_what_is_shared_is_linked(project: Path, tmp_path: Path) -> None:
    copy(project, survey(project), tmp_path / "copy", link_shared=True)
    assert (tmp_path / "copy" / ".venv" / "pyvenv.cfg").read_text() == "home = /usr/bin\n"


def test_a_study_in_the_folder_itself_is_not_shown_to_its_trials(project: Path) -> None:
    (project / "study.db").write_text("what was tried")
    (project / "scratch" / "command-1").mkdir(parents=True)
    layout = survey(project, "train.py", [project / "study.db", project / "scratch"])
    seen = {*layout.folders, *layout.copied, *layout.shared}
    assert not any(name.startswith(("study.db", "scratch", ".arl")) for name in seen)


def test_a_folder_of_many_files_is_shared_as_a_whole(project: Path) -> None:
    images = project / "data" / "images"
    images.mkdir(parents=True)
    for number in range(MOST_FILES + 1):
        (images / f"{number}.txt").touch()
    (project / "data" / "notes.txt").write_text("few")
    layout = survey(project, "train.py")
    assert "data/images" in layout.shared
    assert "data/notes.txt" in layout.copied
    assert not any(name.startswith("data/images/") for name in layout.copied)


def test_many_large_files_are_shared_with_their_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_copy, "LARGEST_FOLDER", 100)
    (project / "shards").mkdir()
    for number in range(5):
        (project / "shards" / f"{number}.bin").write_bytes(bytes(50))
    layout = survey(project, "train.py")
    assert "shards" in layout.shared
    assert "pkg/model.py" in layout.copied


def test_the_folder_of_the_script_is_never_shared(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(work_copy, "LARGEST_FOLDER", 100)
    (project / "scripts").mkdir()
    (project / "scripts" / "train.py").write_text("LR = 0.1\n")
    for number in range(5):
        (project / "scripts" / f"{number}.bin").write_bytes(bytes(50))
    layout = survey(project, "scripts/train.py")
    assert "scripts/train.py" in layout.copied
    copy(project, layout, tmp_path / "copy", link_shared=False)
    assert (tmp_path / "copy" / "scripts" / "4.bin").stat().st_size == 50


def test_links_stay_links_and_what_they_lead_to_outside_is_named(
    project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "corpus"
    outside.mkdir()
    (project / "data").symlink_to(outside)
    (project / "latest.py").symlink_to("train.py")
    (project / "nowhere").symlink_to(tmp_path / "missing")
    layout = survey(project, "train.py")
    assert layout.links == (str(outside),)
    into = tmp_path / "copy"
    copy(project, layout, into, link_shared=False)
    assert (into / "data").readlink() == outside
    assert (into / "latest.py").read_text() == "LR = 0.1\n"
    assert (into / "nowhere").is_symlink()


def test_what_goes_between_survey_and_copy_is_left_out(project: Path, tmp_path: Path) -> None:
    layout = survey(project, "train.py")
    (project / "pkg" / "model.py").unlink()
    copy(project, layout, tmp_path / "copy", link_shared=False)
    assert "pkg/model.py" not in _tree(tmp_path / "copy")


def test_a_folder_with_too_many_files_of_its_own_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_copy, "MOST_FILES", 2)
    for number in range(9):
        (project / f"{number}.txt").touch()
    with pytest.raises(OSError, match="give the script a folder of its own"):
        survey(project, "train.py")


def test_a_folder_whose_small_files_are_too_large_together_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_copy, "MOST_BYTES", 100)
    (project / "data.txt").write_bytes(bytes(101))
    with pytest.raises(OSError, match="put them into a folder below it"):
        survey(project, "train.py")


def test_many_links_open_the_folders_that_they_lead_into(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_copy, "MOST_LINKS", 3)
    for number in range(6):
        corpus = tmp_path / "corpora" / str(number % 2)
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / f"{number}.txt").touch()
        (project / f"{number}.txt").symlink_to(corpus / f"{number}.txt")
    corpora = tmp_path / "corpora"
    assert survey(project, "train.py").links == (str(corpora / "0"), str(corpora / "1"))
    for number in range(6, 12):
        (corpora / str(number)).mkdir()
        (project / str(number)).symlink_to(corpora / str(number) / ".")
    monkeypatch.setattr(work_copy, "MOST_LINKS", 1)
    with pytest.raises(OSError, match="more than 1 other folders"):
        survey(project, "train.py")


def test_what_a_script_has_made_read_only_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "kept").mkdir(parents=True)
    (folder / "kept" / "weights").write_text("w")
    (folder / "kept").chmod(0o500)
    folder.chmod(0o500)
    work_copy.remove_tree(folder)
    assert not folder.exists()


def test_frozen_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    first, second = tmp_path / "prepare.py", tmp_path / "uv.lock"
    first.write_text("a")
    second.write_text("b")
    frozen = FrozenFiles.read(tmp_path, ["prepare.py", "uv.lock"])
    assert (frozen.changed(), frozen.touched()) == ([], [])
    second.write_text("b")  # touched, and still the same
    assert (frozen.changed(), frozen.touched()) == ([], [])
    first.write_text("c")
    second.unlink()
    assert frozen.changed() == frozen.touched() == ["prepare.py", "uv.lock"]
    first.write_text("a")
    assert frozen.touched() == ["uv.lock"]
    with pytest.raises(FileNotFoundError):
        FrozenFiles.read(tmp_path, ["uv.lock"])


def test_a_link_does_not_open_the_file_system_or_home(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, data = tmp_path / "home" / "me", tmp_path / "data"
    home.mkdir(parents=True)
    data.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name, target in {"all": Path("/"), "mine": home, "homes": home.parent, "d": data}.items():
        (project / name).symlink_to(target)
    (project / "up").symlink_to("..")
    assert survey(project).links == (str(data),)


def test_folders_nested_as_deep_as_can_be_are_shared(project: Path, tmp_path: Path) -> None:
    deep = project
    for _ in range(600):
        deep = deep / "d"
        deep.mkdir()
    layout = survey(project, "train.py")
    assert len(layout.shared) == 2  # with .venv
    copy(project, layout, tmp_path / "copy", link_shared=False)
    assert (tmp_path / "copy" / layout.shared[1]).is_dir()


def test_a_frozen_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data")
    with pytest.raises(OSError, match="it is not a file"):
        FrozenFiles.read(tmp_path, ["data"])


def test_a_frozen_file_that_changes_while_it_is_read_is_seen_to_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("1")
    known = frozen_files.digest

    def digest(path: Path) -> str:
        found = known(path)
        path.write_text("another text")
        return found

    monkeypatch.setattr(frozen_files, "digest", digest)
    frozen = FrozenFiles.read(tmp_path, ["data"])
    monkeypatch.undo()
    assert frozen.touched() == frozen.changed() == ["data"]
