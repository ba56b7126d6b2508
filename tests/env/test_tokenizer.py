from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env import tokenizer as tokenizer_module
from env.errors import DataError
from env.tokenizer import BOS, Tokenizer

TEXTS = [
    "def add(a, b):\n    return a + b\n" * 20,
    "Größe, naïve café; 数学は楽しい。 🎉🎉\r\n" * 20,
    "The quick brown fox jumps over 1234567 lazy dogs.\t\n\n" * 20,
]
TOKENIZER = Tokenizer.train(TEXTS, 320)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=200) | st.lists(
    st.sampled_from(["\r\n", "\n", "  ", "🎉", "é", BOS, "don't", "\x00", "١٢٣", " def", "\ufeff"])
).map("".join)


@given(texts)
@settings(max_examples=200, deadline=None)
def test_encoding_loses_nothing_and_its_bytes_add_up(text: str) -> None:
    ids = TOKENIZER.encode(text)
    assert TOKENIZER.decode(ids) == text
    assert int(TOKENIZER.token_bytes()[ids].sum()) == len(text.encode())


@given(texts)
@settings(max_examples=50, deadline=None)
def test_no_text_becomes_the_special_token(text: str) -> None:
    assert TOKENIZER.bos_id not in TOKENIZER.encode(text + BOS + text)


def test_bos_is_the_last_id_and_has_no_bytes() -> None:
    lengths = TOKENIZER.token_bytes()
    assert TOKENIZER.bos_id == TOKENIZER.vocab_size - 1
    assert lengths.dtype == "int32"
    assert lengths.shape == (TOKENIZER.vocab_size,)
    assert lengths[TOKENIZER.bos_id] == 0
    assert (lengths[:-1] > 0).all()
    bos = TOKENIZER.bos_id
    assert TOKENIZER.decode([bos, *TOKENIZER.encode("a"), bos]) == f"{BOS}a{BOS}"


def test_every_byte_has_a_token() -> None:
    untrained = Tokenizer.train([], 257)
    assert untrained.vocab_size == 257
    assert untrained.decode(untrained.encode("é\x00\x7f")) == "é\x00\x7f"


def test_vocabulary_size_is_what_was_asked_or_what_the_text_gives() -> None:
    assert TOKENIZER.vocab_size == 320
    assert Tokenizer.train(["ab ab ab"], 5000).vocab_size < 300
    with pytest.raises(DataError, match="at least 257"):
        Tokenizer.train(TEXTS, 256)


def test_training_twice_gives_equal_files() -> None:
    assert Tokenizer.train(TEXTS, 320).to_json() == Tokenizer.train(TEXTS, 320).to_json()


def test_a_saved_tokenizer_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(TOKENIZER.to_json(), encoding="utf-8")
    again = Tokenizer.load(path)
    assert again.bos_id == TOKENIZER.bos_id
    assert again.encode(TEXTS[1]) == TOKENIZER.encode(TEXTS[1])
    path.write_text("{}")
    with pytest.raises(DataError, match="Cannot read the tokenizer"):
        Tokenizer.load(path)


def test_a_long_text_is_encoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "_PIECE_CHARS", 7)
    batch = ["", TEXTS[1], "x"]
    assert [TOKENIZER.decode(ids.tolist()) for ids in TOKENIZER.encode_batch(batch)] == batch
