import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from env import prepare as prepare_module
from env.errors import DataError, DiskFullError
from env.manifest import DATA_FILES, Environment
from env.prepare import default_cache, main, prepare
from env.shards import open_rows
from env.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]
SETTINGS = {"vocab_size": 400, "seq_len": 32, "val_tokens": 320}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generator = np.random.Generator(np.random.PCG64(7))
    words = ["alpha", "größe", "🎉", "def", "return", "x = 1\n", "the", "数学"]
    for number in range(40):
        text = " ".join(generator.choice(words, size=300))
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return prepare(cache=tmp_path_factory.mktemp("cache"), data=data, **SETTINGS)


def environments(cache: Path) -> list[str]:
    found = (cache / "environments").iterdir()
    return sorted(path.name for path in found if path.suffix != ".lock")


def test_an_environment_holds_what_it_says(built: Environment) -> None:
    tokenizer = Tokenizer.load(built.tokenizer)
    assert (tokenizer.vocab_size, tokenizer.bos_id) == (built.vocab_size, built.bos_id)
    token_bytes = np.fromfile(built.token_bytes, dtype="<i4")
    assert token_bytes.tolist() == tokenizer.token_bytes().tolist()
    for split, path in (("train", built.train), ("val", built.val), ("sealed", built.sealed)):
        rows = open_rows(path, built.seq_len, built.dtype)
        assert rows.shape == (built.rows[split], built.seq_len + 1)
        assert (rows[:, 0] == built.bos_id).all()
        assert built.text_bytes[split] == token_bytes[rows[:, 1:]].sum()
    assert built.rows["val"] == built.rows["sealed"] == 10
    assert 0 < built.unigram_bpb < 8
    assert all((built.path / name).stat().st_mode & 0o777 == 0o444 for name in DATA_FILES)


def test_validation_text_is_not_in_the_training_shard(built: Environment) -> None:
    train = open_rows(built.train, built.seq_len, built.dtype).tobytes()
    for path in (built.val, built.sealed):
        rows = open_rows(path, built.seq_len, built.dtype)
        assert not any(row[1:].tobytes() in train for row in rows)
    assert built.val.read_bytes() != built.sealed.read_bytes()


def test_preparing_again_does_nothing_and_force_builds_the_same(
    built: Environment, data: Path
) -> None:
    cache = built.path.parents[1]
    steps: list[str] = []
    again = prepare(
        cache=cache, data=data, progress=lambda step, fraction: steps.append(step), **SETTINGS
    )
    assert (again, steps) == (built, [])
    inode = built.train.stat().st_ino
    assert prepare(cache=cache, data=data, force=True, **SETTINGS) == built
    assert built.train.stat().st_ino != inode
    assert environments(cache) == [built.name]


def test_other_settings_and_other_data_are_other_environments(
    built: Environment, data: Path, tmp_path: Path
) -> None:
    cache = built.path.parents[1]
    names = {built.name}
    names.add(prepare(cache=cache, data=data, **SETTINGS | {"seq_len": 16}).name)
    names.add(prepare(cache=cache, data=data, **SETTINGS | {"val_tokens": 64}).name)
    fewer = prepare(cache=cache, data=data, max_train_tokens=500, **SETTINGS)
    names.add(fewer.name)
    assert len(names) == 4
    assert 0 < fewer.rows["train"] <= 500 // 32 + 1 < built.rows["train"]


def test_a_kill_after_any_progress_loses_only_the_step_it_was_in(
    built: Environment, data: Path, tmp_path: Path
) -> None:
    killed_at: list[tuple[str, float]] = []
    environment = None
    while environment is None:
        assert len(killed_at) < 100, "no progress from one kill to the next"

        def kill_at_the_first_news(step: str, fraction: float) -> None:
            if (step, fraction) not in killed_at:
                killed_at.append((step, fraction))
                raise Killed

        try:
            environment = prepare(
                cache=tmp_path, data=data, progress=kill_at_the_first_news, **SETTINGS
            )
        except Killed:
            assert built.name not in environments(tmp_path)
    assert environment.digest == built.digest
    assert environments(tmp_path) == [built.name]
    assert {step for step, _ in killed_at} >= {"tokenizer", "train", "val", "sealed", "constants"}


def test_finished_steps_are_not_done_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(step: str, fraction: float) -> None:
        if step == "val":
            raise Killed

    with pytest.raises(Killed):
        prepare(cache=tmp_path, data=data, progress=killed, **SETTINGS)

    def refuse(*args: object) -> None:
        raise AssertionError("the tokenizer was there already")

    monkeypatch.setattr(Tokenizer, "train", refuse)
    prepare(cache=tmp_path, data=data, **SETTINGS)


def test_a_damaged_step_and_those_after_it_are_done_again(
    built: Environment, data: Path, tmp_path: Path
) -> None:
    def killed(step: str, fraction: float) -> None:
        if step == "manifest":
            raise Killed

    with pytest.raises(Killed):
        prepare(cache=tmp_path, data=data, progress=killed, **SETTINGS)
    tree = tmp_path / "environments" / f"{built.name}.partial" / "tree"
    (tree / "tokenizer.json").unlink()
    (tree / "tokenizer.json").write_text("{}")
    assert prepare(cache=tmp_path, data=data, **SETTINGS).digest == built.digest


def test_a_kill_between_the_last_renames_is_mended(
    built: Environment, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(cache=tmp_path, data=data, **SETTINGS)
    rename = os.rename

    def killed(source: Path, target: Path) -> None:
        if Path(source).name == "tree":
            raise Killed
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            prepare(cache=tmp_path, data=data, force=True, **SETTINGS)
    assert built.name not in environments(tmp_path)
    assert prepare(cache=tmp_path, data=data, **SETTINGS).digest == built.digest
    assert environments(tmp_path) == [built.name]


def test_a_full_disk_leaves_nothing_half_made(
    built: Environment, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 4

    def sync(fd: int) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", sync)
        with pytest.raises(DiskFullError, match="free some room"):
            prepare(cache=tmp_path, data=data, **SETTINGS)
        arguments = ["--cache", str(tmp_path), "--data", str(data), "--json"]
        assert main(arguments) == 9
    assert built.name not in environments(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))
    assert prepare(cache=tmp_path, data=data, **SETTINGS).digest == built.digest


def test_two_at_once_build_once(built: Environment, data: Path, tmp_path: Path) -> None:
    at_train, go_on = threading.Event(), threading.Event()
    results: list[Environment] = []
    news: list[str] = []
    waiting = threading.Event()

    def first(step: str, fraction: float) -> None:
        if step == "train" and not at_train.is_set():
            at_train.set()
            assert go_on.wait(60)

    def second(step: str, fraction: float) -> None:
        news.append(step)
        waiting.set()

    def work(progress: prepare_module.Progress) -> None:
        results.append(prepare(cache=tmp_path, data=data, progress=progress, **SETTINGS))

    threads = [threading.Thread(target=work, args=(each,)) for each in (first, second)]
    threads[0].start()
    assert at_train.wait(60)
    threads[1].start()
    assert waiting.wait(60)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert [result.digest for result in results] == [built.digest] * 2
    assert news == ["waiting for another prepare"]


def run(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-P", "-m", "env.prepare", *map(str, arguments)]


def child_environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def test_the_child_process_reports_and_survives_sigkill(data: Path, tmp_path: Path) -> None:
    options = ("--cache", tmp_path, "--data", data, "--vocab-size", "400", "--seq-len", "32")
    command = run(*options, "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment()) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if json.loads(line)["step"] == "train":
                child.send_signal(signal.SIGKILL)
                break
    completed = subprocess.run(
        command, stdout=subprocess.PIPE, env=child_environment(), check=True, timeout=120
    )
    messages = [json.loads(line) for line in completed.stdout.splitlines()]
    assert all(0 <= m["fraction"] <= 1 for m in messages if m["type"] == "progress")
    assert [message["type"] for message in messages if message["type"] != "progress"] == ["done"]
    expected = prepare(cache=tmp_path / "other", data=data, vocab_size=400, seq_len=32)
    assert messages[-1]["digest"] == expected.digest
    assert messages[-1]["path"] == str(tmp_path / "environments" / expected.name)


def test_errors_are_one_line_and_an_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = ["--cache", str(tmp_path), "--data", str(tmp_path / "nowhere")]
    assert main([*missing, "--json"]) == 5
    message = json.loads(capsys.readouterr().out)
    assert message["type"] == "error"
    assert "nowhere does not exist" in message["message"]
    assert main(missing) == 5
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 100}, "vocabulary size must be from 257"),
        ({"seq_len": 0}, "sequence length must be from 1"),
        ({"seq_len": 100_000}, "too little text"),
        ({"val_tokens": 0}, "validation tokens must be"),
        ({"hub": "owner/name"}, "not both"),
    ],
)
def test_settings_that_cannot_work_are_named(
    data: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepare(cache=tmp_path, data=data, **options)


def test_a_cache_that_cannot_be_made_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="ARL_CACHE"):
        prepare(cache=tmp_path / "file", data=data)


def test_the_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARL_CACHE", "/somewhere")
    assert default_cache() == Path("/somewhere")
    monkeypatch.delenv("ARL_CACHE")
    assert default_cache().name == "arl-tui"


@pytest.mark.parametrize("step", ["tokenizer", "train", "val", "sealed", "constants", "manifest"])
def test_every_step_reports_its_beginning_and_its_end(
    data: Path, tmp_path: Path, step: str
) -> None:
    news: list[tuple[str, float]] = []
    prepare(cache=tmp_path, data=data, progress=lambda *each: news.append(each), **SETTINGS)
    fractions = [fraction for name, fraction in news if name == step]
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)
