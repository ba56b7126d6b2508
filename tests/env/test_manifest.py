import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from env import manifest
from env.errors import DataError
from env.manifest import DATA_FILES, Environment, load
from env.prepare import prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("data")
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"Text number {number} says the same. " * 40)
    return prepare(cache=tmp_path_factory.mktemp("cache"), data=folder, vocab_size=300, seq_len=16)


@pytest.fixture
def copied(prepared: Environment, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared.path, tmp_path / "copy"))


def test_a_copy_is_the_same_environment_elsewhere(prepared: Environment, copied: Path) -> None:
    assert load(copied) == dataclasses.replace(prepared, path=copied)
    assert load(str(copied)).digest == prepared.digest


@pytest.mark.parametrize("name", DATA_FILES)
def test_a_changed_file_is_named(copied: Path, name: str) -> None:
    file = copied / name
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is not the file that was prepared.*--force"):
        load(copied)
    file.unlink()
    with pytest.raises(DataError, match=f"Cannot read .*{name}"):
        load(copied)


def test_rewriting_the_manifest_too_gives_another_digest(
    prepared: Environment, copied: Path
) -> None:
    for name in (manifest.VAL, manifest.MANIFEST):
        (copied / name).chmod(0o644)
    (copied / manifest.VAL).write_bytes((copied / manifest.SEALED).read_bytes())
    content = json.loads((copied / manifest.MANIFEST).read_bytes())
    content["files"][manifest.VAL] = manifest.sha256_of(copied / manifest.VAL)
    (copied / manifest.MANIFEST).write_text(json.dumps(content))
    changed = load(copied)
    assert changed.data_digest != prepared.data_digest
    assert changed.digest != prepared.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no JSON object"),
        ('{"format": 99, "files": {}}', "another version of arl-tui"),
    ],
)
def test_a_broken_manifest_is_refused(copied: Path, content: str, message: str) -> None:
    (copied / manifest.MANIFEST).chmod(0o644)
    (copied / manifest.MANIFEST).write_text(content)
    with pytest.raises(DataError, match=message):
        load(copied)


def test_a_folder_without_an_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no prepared environment in .*nothing"):
        load(tmp_path / "nothing")


def test_the_code_that_runs_is_part_of_the_digest(
    prepared: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = shutil.copytree(
        Path(manifest.__file__).parent, tmp_path / "env", ignore=lambda *args: {"__pycache__"}
    )
    monkeypatch.setattr(manifest, "_CODE", Path(code))
    assert load(prepared.path).code_digest == prepared.code_digest
    with open(tmp_path / "env" / "prepare.py", "a") as file:
        file.write("\n# preparing differently changes the data, which has its own digest\n")
    assert load(prepared.path).digest == prepared.digest
    with open(tmp_path / "env" / "shards.py", "a") as file:
        file.write("\n# changed\n")
    changed = load(prepared.path)
    assert changed.data_digest == prepared.data_digest
    assert changed.code_digest != prepared.code_digest
    assert changed.digest != prepared.digest


def test_a_new_module_is_frozen_unless_it_prepares_or_is_for_commands() -> None:
    names = {file.name for file in manifest.runtime_files()}
    assert {"manifest.py", "shards.py", "errors.py", "__init__.py"} <= names
    assert not names & {
        "corpus.py",
        "sources.py",
        "tokenizer.py",
        "packing.py",
        "prepare.py",
        "build.py",
        "interpreters.py",
        "output_scan.py",
    }
