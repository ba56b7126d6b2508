import shutil
from pathlib import Path

import pytest

from env import corpus
from env.corpus import SPLITS, SYMPY_VERSION, SympyCorpus, name_key, sympy_split
from env.errors import DataError


@pytest.fixture(scope="module")
def sympy_corpus() -> SympyCorpus:
    return SympyCorpus()


def test_validation_text_comes_from_tests_folders_only(sympy_corpus: SympyCorpus) -> None:
    for split in ("val", "sealed"):
        for document in sympy_corpus.documents(split):
            assert "/tests/" in document.name


def test_splits_are_disjoint_and_sizes_tell_what_is_streamed(sympy_corpus: SympyCorpus) -> None:
    seen: set[str] = set()
    for split in SPLITS:
        documents = list(sympy_corpus.documents(split))
        names = {document.name for document in documents}
        assert not names & seen
        seen |= names
        size = sympy_corpus.sizes[split]
        assert size.documents == len(names) == len(documents)
        assert size.text_bytes == sum(len(document.text.encode()) for document in documents)
        assert all(document.text for document in documents)
    # The split of the pinned release is part of every score: it must not move.
    assert [sympy_corpus.sizes[split].documents for split in SPLITS] == [1148, 151, 153]


def test_a_test_file_is_split_by_its_name_and_a_source_file_is_for_training() -> None:
    assert sympy_split("sympy/core/add.py") == "train"
    assert sympy_split("sympy/core/tests.py") == "train"
    splits = [sympy_split(f"sympy/core/tests/test_{number}.py") for number in range(4000)]
    assert 0.46 < splits.count("train") / 4000 < 0.54
    assert 0.21 < splits.count("val") / 4000 < 0.29


def test_a_changed_source_file_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "sympy"
    shutil.copytree(
        corpus._installed_sympy(), package, ignore=shutil.ignore_patterns("__pycache__")
    )
    assert SympyCorpus(package).checksum == corpus.SYMPY_CHECKSUM
    with open(package / "core" / "add.py", "a") as file:
        file.write("# changed\n")
    with pytest.raises(DataError, match="pip install --force-reinstall sympy"):
        SympyCorpus(package)


def test_another_release_or_none_is_refused() -> None:
    with pytest.raises(
        DataError, match=f"SymPy is 1.13.3, but the default text is {SYMPY_VERSION}"
    ):
        corpus._installed_sympy(lambda name: "1.13.3")

    def missing(name: str) -> str:
        raise corpus.importlib.metadata.PackageNotFoundError(name)

    with pytest.raises(DataError, match="is missing"):
        corpus._installed_sympy(missing)


def test_name_keys_take_names_that_are_not_utf8() -> None:
    assert 0 <= name_key("caf\udce9.txt") < 2**64
    assert name_key("a") != name_key("b")
