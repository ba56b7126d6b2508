import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.corpus import SPLITS
from env.errors import DataError
from env.sources import FileCorpus, choose_hub_files, folder_corpus, hub_corpus

GIB = 1 << 30


def texts_of(corpus: FileCorpus) -> list[str]:
    return [document.text for split in SPLITS for document in corpus.documents(split)]


def write_json_lines(path: Path, rows: list[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_all_formats_below_a_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "no.txt").write_text("hidden")
    (tmp_path / "readme.md").write_text("not read")
    (tmp_path / "a.txt").write_text("plain\r\ntext", newline="")
    write_json_lines(tmp_path / "deep" / "b.jsonl", [{"text": "line é"}, {"text": " "}])
    table = pa.table({"id": [1, 2, 3], "text": ["row one", None, "row three"]})
    pq.write_table(table, tmp_path / "deep" / "c.PARQUET")
    corpus = folder_corpus(tmp_path, GIB)
    assert sorted(texts_of(corpus)) == ["line é", "plain\r\ntext", "row one", "row three"]
    names = {document.name for split in SPLITS for document in corpus.documents(split)}
    assert names == {"a.txt#1", "deep/b.jsonl#1", "deep/c.PARQUET#1", "deep/c.PARQUET#3"}


@given(st.lists(st.integers(1, 4000), min_size=3, max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_document_is_in_one_split_and_no_split_is_empty(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("data")
    write_json_lines(folder / "a.jsonl", [{"text": "é" * length} for length in lengths])
    corpus = folder_corpus(folder, GIB)
    assert sorted(len(text) for text in texts_of(corpus)) == sorted(lengths)
    for split in SPLITS:
        documents = list(corpus.documents(split))
        assert documents
        assert corpus.sizes[split].documents == len(documents)
        assert corpus.sizes[split].text_bytes == sum(len(d.text.encode()) for d in documents)


def test_much_text_gives_one_percent_to_each_validation_split(tmp_path: Path) -> None:
    write_json_lines(tmp_path / "a.jsonl", [{"text": "x" * 20_000}] * 3000)
    sizes = folder_corpus(tmp_path, GIB).sizes
    assert sizes["val"].documents == sizes["sealed"].documents == 30


def test_a_new_file_moves_few_documents(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"{number}.txt").write_text("some text " * 10)
    before = {document.name for document in folder_corpus(tmp_path, GIB).documents("train")}
    (tmp_path / "new.txt").write_text("some text " * 10)
    after = {document.name for document in folder_corpus(tmp_path, GIB).documents("train")}
    assert len(before ^ after) <= 4


@pytest.mark.parametrize(
    "text",
    [
        "A line of prose, and another one.\n\n" * 30_000,
        "line without a blank one\n" * 40_000,
        "words without any line end " * 40_000,
    ],
)
def test_one_large_text_file_is_cut_into_documents(tmp_path: Path, text: str) -> None:
    (tmp_path / "book.txt").write_text(text)
    corpus = folder_corpus(tmp_path / "book.txt", GIB)
    pieces = {d.name: d.text for split in SPLITS for d in corpus.documents(split)}
    numbered = sorted(pieces, key=lambda name: int(name.split("#")[1]))
    assert "".join(pieces[name] for name in numbered) == text
    assert len(pieces) > 20
    total = sum(size.text_bytes for size in corpus.sizes.values())
    for split in ("val", "sealed"):
        assert 0.08 < corpus.sizes[split].text_bytes / total < 0.16


def test_different_data_never_share_a_name(tmp_path: Path) -> None:
    def version(content: str, name: str = "a.txt") -> str:
        folder = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / name).write_text(content)
        return folder_corpus(folder, GIB).version

    assert version("one") == version("one")
    assert len({version("one"), version("two"), version("one", "b.txt")}) == 3


def test_of_a_large_folder_some_files_are_used(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.txt").write_text("x" * 1000)
    corpus = folder_corpus(tmp_path, 10_000)
    assert sum(size.documents for size in corpus.sizes.values()) == 10


def bad_json(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"text": "fine"}\n{"text": \n')


def json_without_text(folder: Path) -> None:
    write_json_lines(folder / "a.jsonl", [{"text": "fine"}, {"content": "x"}])


def json_half_pair(folder: Path) -> None:
    (folder / "a.jsonl").write_text('{"text": "fine"}\n{"text": "\\ud800"}\n')


def json_latin(folder: Path) -> None:
    (folder / "a.jsonl").write_bytes(b'{"text": "fine"}\n{"text": "caf\xe9"}\n')


def txt_latin(folder: Path) -> None:
    (folder / "a.txt").write_bytes(b"caf\xe9")


def parquet_without_text(folder: Path) -> None:
    pq.write_table(pa.table({"content": ["x"]}), folder / "a.parquet")


def parquet_of_numbers(folder: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2, 3]}), folder / "a.parquet")


def broken_parquet(folder: Path) -> None:
    (folder / "a.parquet").write_bytes(b"PAR1 but not really")


def two_documents(folder: Path) -> None:
    write_json_lines(folder / "a.jsonl", [{"text": "a"}, {"text": ""}, {"text": "b"}])


def other_files(folder: Path) -> None:
    (folder / "a.csv").write_text("text\nx\n")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (bad_json, "a.jsonl line 2 is not JSON"),
        (json_without_text, "a.jsonl line 2 has no field `text`"),
        (json_half_pair, "a.jsonl line 2 holds half of a surrogate pair"),
        (json_latin, "a.jsonl line 2 is not UTF-8"),
        (txt_latin, "a.txt is not UTF-8 text"),
        (parquet_without_text, "a.parquet has no column `text`"),
        (parquet_of_numbers, "column `text` of .*a.parquet holds no text"),
        (broken_parquet, "a.parquet cannot be read as a parquet file"),
        (two_documents, "has 2 documents with text"),
        (other_files, "no .parquet, .jsonl or .txt file in"),
    ],
)
def test_unusable_data_is_named(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        texts_of(folder_corpus(tmp_path, GIB))
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        folder_corpus(tmp_path / "nowhere", GIB)


def test_names_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    for number in range(3):
        path = os.fsencode(tmp_path) + b"/caf\xe9" + str(number).encode() + b".txt"
        with open(path, "w") as file:
            file.write("text")
    assert len(texts_of(folder_corpus(tmp_path, GIB))) == 3


def test_without_a_network_the_hub_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*args: object, **options: object) -> None:
        raise ConnectionError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(DataError, match="The hub cannot be reached for the dataset owner/name"):
        hub_corpus("owner/name", GIB)


def test_a_hub_dataset_is_read_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.hf_api import DatasetInfo

    pq.write_table(pa.table({"text": ["one", "two", "three"]}), tmp_path / "train.parquet")
    info = DatasetInfo(
        id="owner/name",
        sha="0" * 40,
        siblings=[{"rfilename": "data/train.parquet", "size": 10}, {"rfilename": "README.md"}],
    )
    asked: list[tuple[str, ...]] = []

    def download(repository: str, name: str, repo_type: str, revision: str) -> str:
        asked.append((repository, name, repo_type, revision))
        return str(tmp_path / "train.parquet")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *args, **options: info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    corpus = hub_corpus("owner/name", GIB)
    assert asked == [("owner/name", "data/train.parquet", "dataset", "0" * 40)]
    assert sorted(texts_of(corpus)) == ["one", "three", "two"]
    with pytest.raises(DataError, match=r"no \.parquet files there"):
        hub_corpus("owner/name:other", GIB)


def test_hub_files_come_from_one_folder_and_stop_at_the_cap() -> None:
    sizes = {f"data/train-{number:03}.parquet": 100 for number in range(40)}
    sizes |= {"sample/train-000.parquet": 100, "data/test-000.parquet": 100, "README.md": 1}
    chosen = choose_hub_files(sizes, "", 10_000)
    assert len(chosen) == 8
    assert all(name.startswith("data/train-") for name in chosen)
    assert choose_hub_files(sizes, "", 250) == chosen[:3]
    assert choose_hub_files(sizes, "sample", 10_000) == ["sample/train-000.parquet"]
    assert choose_hub_files({"README.md": 1}, "", 10_000) == []
