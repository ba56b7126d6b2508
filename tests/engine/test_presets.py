"""What presets recognise, ask and write; every draft is settings that hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import checkout, presets
from engine.presets import Draft, DraftError, Given, Question
from engine.settings import SettingsError, validate
from engine.settings_file import settings_text
from target.source import SourceError


def drafted(
    folder: Path, given: Given | None = None, answers: tuple[str, ...] = (), preset: str = ""
) -> tuple[Draft, list[Question]]:
    """The draft for a folder, and the questions on the way; defaults where no answer is given."""
    found = checkout.look(folder)
    draft = presets.PRESETS[preset or presets.recognise(found)].draft(found, given or Given())
    asked: list[Question] = []
    left = list(answers)
    try:
        question = next(draft)
        while True:
            asked.append(question)
            answer = left.pop(0) if left else question.default
            if answer is None:
                raise DraftError(question.missing)
            question = draft.send(answer)
    except StopIteration as ending:
        assert not left
        return ending.value, asked


def written(folder: Path, draft: Draft) -> dict[str, Any]:
    """The tables of the file that the draft becomes; they must be settings."""
    tables = tomllib.loads(settings_text(draft.tables, "A test."))
    assert tables == draft.tables
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert validate(tables).target.path == str(folder / tables["target"]["path"])
    finally:
        os.chdir(before)
    return tables


def test_autoresearch_asks_nothing(
    checkouts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    folder = checkouts.autoresearch(tmp_path / "mine", results=True, git=True)
    draft, asked = drafted(folder)
    assert (draft.recognised, asked) == ("karpathy/autoresearch", [])
    tables = written(folder, draft)
    assert tables["target"] == {
        "path": "train.py",
        "command": "uv run train.py",
        "frozen": ["prepare.py", "pyproject.toml", "uv.lock"],
        "reseed": True,
        "program": "program.md",
        "history": "results.tsv",
    }
    assert (tables["name"], tables["git"]) == ("mine", {"commits": True})
    assert tables["budget"] == {"seconds": 300, "startup_seconds": 300}
    assert "~/.cache/autoresearch" in tables["access"]["read"]
    assert tables["access"]["env"]["UV_OFFLINE"] == "1"
    assert tables["access"]["write"] == ["~/.cache/arl-tui/compiled"]
    assert draft.folders == (tmp_path / "home/.cache/arl-tui/compiled",)
    warned = " ".join(draft.warnings)
    assert "uv sync" in warned
    assert "uv run prepare.py" in warned


def test_the_patterns_of_autoresearch_fit_what_its_stand_in_prints(
    checkouts: ModuleType, tmp_path: Path
) -> None:
    folder = checkouts.autoresearch(tmp_path / "mine", tmp_path / "home")
    draft, _ = drafted(folder)
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "AUTORESEARCH_MAX_STEPS": "3"}
    run = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=environment, capture_output=True, check=True
    )
    lines = re.split(r"[\r\n]+", run.stdout.decode())

    def found(pattern: str) -> list[re.Match[str]]:
        return [match for line in lines if (match := re.search(pattern, line))]

    metric, progress = draft.tables["metric"], draft.tables["progress"]
    (score,), (memory,) = found(metric["pattern"]), found(metric["memory_pattern"])
    assert 0.2 < float(score[1]) < 4
    assert float(memory[1]) > 1
    points = found(progress["pattern"])
    assert [int(point["step"]) for point in points] == [0, 1, 2]
    assert [float(point["percent"]) for point in points] == [0.0, 33.3, 66.7]
    assert all(float(point["loss"]) > 0 for point in points)


def test_the_time_budget_of_prepare_is_the_budget(checkouts: ModuleType, tmp_path: Path) -> None:
    folder = checkouts.autoresearch(tmp_path / "mine")
    text = (folder / "prepare.py").read_text("utf-8")
    (folder / "prepare.py").write_text(text + "\nTIME_BUDGET = 120\n", "utf-8")
    assert drafted(folder)[0].tables["budget"]["seconds"] == 120
    assert drafted(folder, Given(budget=60))[0].tables["budget"]["seconds"] == 60


def test_another_metric_makes_it_a_script(checkouts: ModuleType, tmp_path: Path) -> None:
    folder = checkouts.autoresearch(tmp_path / "mine")
    text = (folder / "train.py").read_text("utf-8").replace("val_bpb:          ", "sharpe: ")
    (folder / "train.py").write_text(text, "utf-8")
    draft, asked = drafted(folder)
    assert [question.sure for question in asked] == [True, True, True]
    assert draft.tables["metric"]["name"] == "sharpe"
    assert draft.tables["metric"]["direction"] == "max"


@pytest.fixture
def nanochat(tmp_path: Path) -> Path:
    """A folder with the layout of nanochat."""
    folder = tmp_path / "chat"
    for name, text in {
        "scripts/base_train.py": "import nanochat.gpt\nfrom nanochat import tokenizer\nLR = 1\n",
        "nanochat/__init__.py": "",
        "nanochat/gpt.py": "from nanochat.common import x\n",
        "nanochat/common.py": "x = 1\n",
        "nanochat/tokenizer.py": "",
        "nanochat/unused.py": "",
        "uv.lock": "",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def test_nanochat(nanochat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NANOCHAT_BASE_DIR", raising=False)
    draft, asked = drafted(nanochat)
    assert (draft.recognised, asked) == ("karpathy/nanochat", [])
    target = written(nanochat, draft)["target"]
    assert target["command"].startswith("uv run python -m scripts.base_train --run=dummy ")
    assert target["dir"] == "."
    modules = ["__init__", "common", "gpt", "tokenizer"]
    assert target["frozen"] == [*(f"nanochat/{name}.py" for name in modules), "uv.lock"]
    lines = {
        "pattern": "Step 00500 | Validation bpb: 0.912345",
        "memory_pattern": "Peak memory usage: 45060.25MiB",
    }
    found = [re.search(draft.tables["metric"][key], line) for key, line in lines.items()]
    assert [match and match[1] for match in found] == ["0.912345", "45060.25"]
    progress = draft.tables["progress"]["pattern"]
    line = "step 00012/00500 (2.40%) | loss: 5.123456 | lrm: 1.00 | dt: 12.00ms"
    match = re.search(progress, line)
    assert match
    assert match.groupdict() == {
        "step": "00012", "total": "00500", "percent": "2.40", "loss": "5.123456"
    }  # fmt: skip


def test_a_sealed_script_gets_no_command(tmp_path: Path) -> None:
    text = "LR = 1\ndef build_model(v, s): ...\ndef train(model, run): ...\n"
    (tmp_path / "train.py").write_text(text)
    draft, asked = drafted(tmp_path)
    assert (written(tmp_path, draft)["target"], asked) == ({"path": "train.py"}, [])
    with pytest.raises(DraftError, match="run and scored by arl-tui itself"):
        drafted(tmp_path, Given(metric="loss"))


def test_a_script_that_is_clear_leaves_only_sure_questions(
    odd_scripts: ModuleType, tmp_path: Path
) -> None:
    odd_scripts.write("ten_lines", tmp_path)
    draft, asked = drafted(tmp_path)
    assert all(question.sure for question in asked)
    tables = written(tmp_path, draft)
    assert tables["target"] == {"path": "train.py", "command": "python train.py"}
    assert (tables["metric"]["name"], tables["metric"]["direction"]) == ("val_loss", "min")
    assert "access" not in tables


def test_two_metrics_are_a_question(odd_scripts: ModuleType, tmp_path: Path) -> None:
    odd_scripts.write("two_metrics", tmp_path)
    *sure, question = drafted(tmp_path)[1]
    assert ([q.sure for q in sure], question.sure) == ([True, True], False)
    assert "val_loss, accuracy max" in question.text
    draft, _ = drafted(tmp_path, answers=("train.py", "python train.py", "accuracy max"))
    assert draft.tables["metric"] == {
        "name": "accuracy",
        "pattern": r"^accuracy:\s*(\S+)",
        "direction": "max",
    }
    assert question.problem("accuracy") is None
    assert "`result max`" in (question.problem("result") or "")


def test_a_score_whose_direction_is_not_clear(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("LR = 0.1\nprint(f'result: {LR}')\n")
    question = drafted(tmp_path, Given(direction="max"))[1][-1]
    assert question.default == "result"
    assert question.problem("result") is None  # it has been said
    assert "Add min" not in question.text
    asking = presets.PRESETS["script"].draft(checkout.look(tmp_path), Given())
    question = next(asking)
    while question.default != "result":
        question = asking.send(question.default or "")
    assert question.text.endswith("Add min where less is better, max where more is.")
    assert question.problem("result") is not None
    assert question.problem("max") is None
    with pytest.raises(StopIteration) as ended:
        asking.send("max")
    metric = ended.value.value.tables["metric"]
    assert (metric["name"], metric["direction"]) == ("result", "max")


def test_several_scripts_are_a_question(odd_scripts: ModuleType, tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        odd_scripts.write("ten_lines", tmp_path, name)
    with pytest.raises(DraftError, match=r"several scripts here \(a\.py, b\.py\): .*--script"):
        drafted(tmp_path)
    (question,) = drafted_until(tmp_path, 1)
    assert not question.sure
    assert question.problem("c.py") == "There is no file c.py."
    (tmp_path / "b.py").write_text("import os\n")  # one of them alone prints a score
    assert drafted(tmp_path)[0].tables["target"]["path"] == "a.py"


def drafted_until(folder: Path, count: int) -> list[Question]:
    found = checkout.look(folder)
    asking = presets.PRESETS["script"].draft(found, Given())
    return [next(asking) for _ in range(count)]


def test_what_the_script_imports_from_the_folder_is_frozen(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    for name, text in {
        "train.py": "import data\nfrom pack import scoring\nprint(f'val_loss: {x}')\n",
        "data.py": "import more, train\n",
        "more.py": "this does not parse\n",
        "other.py": "",
        "pack/__init__.py": "",
        "pack/scoring.py": "",
    }.items():
        (tmp_path / name).write_text(text)
    frozen = drafted(tmp_path)[0].tables["target"]["frozen"]
    assert frozen == ["data.py", "more.py", "pack/__init__.py", "pack/scoring.py"]


PACKAGE = {
    "setup.py": "",
    "tests/run.py": "print(f'loss: {1}')\n",
    "mypkg/__init__.py": "",
    "mypkg/data.py": "from .more import other\n",
    "mypkg/more/__init__.py": "from ..deep import x\n",
    "mypkg/more/other.py": "",
    "mypkg/deep.py": "",
    "mypkg/train.py": "from .data import load\nLR = 0.1\nprint(f'val_loss: {LR}')\n",
}


@pytest.mark.parametrize("imports", ["from .data import load", "from mypkg.data import load"])
def test_a_script_in_a_package_is_found_and_run_as_a_module(tmp_path: Path, imports: str) -> None:
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.replace("from .data import load", imports))
    draft, _ = drafted(tmp_path)
    target = written(tmp_path, draft)["target"]
    assert (target["path"], target["dir"]) == ("mypkg/train.py", ".")
    assert target["command"] == "python -m mypkg.train"
    assert target["frozen"] == [
        "mypkg/__init__.py",
        "mypkg/data.py",
        "mypkg/deep.py",
        "mypkg/more/__init__.py",
        "mypkg/more/other.py",
    ]
    (tmp_path / "uv.lock").touch()
    assert drafted(tmp_path)[0].tables["target"]["command"] == "uv run python -m mypkg.train"


@pytest.mark.parametrize("command", ["python train.py", "python -m train", "python ./train.py"])
def test_constants_in_a_file_of_their_own(tmp_path: Path, command: str) -> None:
    (tmp_path / "config.py").write_text("LR = 0.1\n")
    (tmp_path / "data.py").touch()
    (tmp_path / "train.py").write_text("import config, data\nprint(f'dev BLEU = {config.LR}')\n")
    draft, _ = drafted(tmp_path, Given(script="config.py", command=command))
    tables = written(tmp_path, draft)
    assert tables["target"] == {
        "path": "config.py",
        "command": command,
        "frozen": ["train.py", "data.py"],
    }
    assert tables["metric"] == {
        "name": "dev_bleu",
        "pattern": r"^dev\s+BLEU\s*=\s*(\S+)",
        "direction": "max",
    }
    assert draft.warnings == ()


def test_what_lies_beside_a_script_inside_is_frozen(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/data.py").touch()
    (tmp_path / "src/train.py").write_text("import data\nprint(f'val_loss: {data.x}')\n")
    target = drafted(tmp_path)[0].tables["target"]
    assert (target["command"], target["frozen"]) == ("python src/train.py", ["src/data.py"])


def test_a_script_inside_runs_in_the_folder(odd_scripts: ModuleType, tmp_path: Path) -> None:
    odd_scripts.write("ten_lines", tmp_path / "src", "fit model.py")
    draft, _ = drafted(tmp_path)
    target = written(tmp_path, draft)["target"]
    assert (target["dir"], target["command"]) == (".", "python 'src/fit model.py'")


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ((), "python train.py"),
        ((".venv/bin/python",), ".venv/bin/python train.py"),
        (("venv/bin/python",), "venv/bin/python train.py"),
        ((".venv/bin/python", "uv.lock"), "uv run train.py"),
    ],
)
def test_the_folder_s_own_interpreter(
    odd_scripts: ModuleType, tmp_path: Path, files: tuple[str, ...], command: str
) -> None:
    odd_scripts.write("ten_lines", tmp_path)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert drafted(tmp_path)[0].tables["target"]["command"] == command


def test_what_the_script_names_is_open_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "train.py").write_text(
        "from datasets import load_dataset\nA = '~/.cache/mine'\nB = '~/.ssh/id'\nC = '~/data/x'\n"
        "model = torch.compile(model)\nprint(f'val_loss: {x}')\n"
    )
    access = drafted(tmp_path)[0].tables["access"]
    cache = str(tmp_path / "cache")
    assert access["read"] == ["~/.cache/mine", "~/data/x", f"{cache}/huggingface"]
    assert access["write"] == [f"{cache}/arl-tui/compiled"]
    assert access["env"]["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("source", "given", "sentence"),
    [
        (b"x = (\n", Given(), r"train\.py cannot be used: .*line 1"),
        (b"\xff\xfe\x00", Given(), r"train\.py cannot be used: .*encoding"),
        (b"print('done')\n", Given(), r"train\.py prints no number .*--metric"),
        (b"print(f'result: {1 / 3}')\n", Given(), r"less or more of result better.*--direction"),
        (b"p.add_argument('data')\nprint(f'loss: {1}')\n", Given(), "needs arguments.*--command"),
        (b"# arl: range 1\nA = 1\n", Given(metric="loss"), "hint"),
    ],
)
def test_what_cannot_be_drafted_is_one_sentence(
    tmp_path: Path, source: bytes, given: Given, sentence: str
) -> None:
    (tmp_path / "train.py").write_bytes(source)
    with pytest.raises((DraftError, SourceError), match=sentence):
        drafted(tmp_path, given)


def test_a_folder_without_scripts(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "test_it.py").touch()
    with pytest.raises(DraftError, match=r"There is no Python script in .*--script"):
        drafted(tmp_path)


def test_nothing_to_edit_is_a_warning(odd_scripts: ModuleType, tmp_path: Path) -> None:
    odd_scripts.write("no_constants", tmp_path)
    assert any("nothing that an edit could change" in w for w in drafted(tmp_path)[0].warnings)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60)


@settings(deadline=None, derandomize=True)
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40),
    TEXTS.filter(str.strip),
    st.lists(TEXTS, max_size=4),
    st.dictionaries(st.from_regex(r"[A-Z_]{1,10}", fullmatch=True), TEXTS, max_size=3),
    st.floats(0.1, 1e6),
)
def test_whatever_is_written_is_read_again(
    name: str, command: str, frozen: list[str], env: dict[str, str], seconds: float
) -> None:
    tables: dict[str, Any] = {
        "name": name,
        "target": {"path": "train.py", "command": command, "frozen": frozen},
        "budget": {"seconds": seconds},
        "access": {"env": env},
    }
    assert tomllib.loads(settings_text(tables, "About\nit")) == tables


def test_what_is_no_setting_is_not_written() -> None:
    with pytest.raises(SettingsError, match=r"target\.colour is no setting"):
        settings_text({"target": {"path": "a.py", "colour": "red"}}, "")


def test_a_folder_whose_name_is_no_text_gives_a_name_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "train.py").write_text("LR = 0.1\nprint('val_loss:', LR)\n")
    assert written(folder, drafted(folder)[0])["name"] == "caf?"
