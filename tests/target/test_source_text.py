"""Scripts are read and written byte for byte, whatever they are saved as."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target.source import SourceError, decode, encode, parse, read, write


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"A = 1",
        b"A = 1\r\nB = 2\r\n",
        b"\xef\xbb\xbfA = 1\n",
        "# größer 漢字\nA = 1\n".encode(),
        b"# -*- coding: latin-1 -*-\nA = '\xe9'\n",
        b"A = 1\r\x0cB = 2\n",
        "A = 1  # \u2028 is no line end\nB = 2\n".encode(),
    ],
)
def test_bytes_survive(data: bytes, tmp_path: Path) -> None:
    text = decode(data)
    assert encode(text) == data
    parse(text)
    path = tmp_path / "train.py"
    path.write_bytes(data)
    write(path, read(path))
    assert path.read_bytes() == data


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_survives(text: str) -> None:
    if "coding" not in text:
        assert decode(encode(text)) == text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("A = 1\ndef f(:\n", "line 2"),
        ("A = (\n", "line 1"),
        ("A = 1\0\n", "null"),
        ("A = " + "(" * 5000 + ")" * 5000, "nested"),
    ],
)
def test_a_broken_script_says_where(source: str, says: str) -> None:
    with pytest.raises(SourceError, match=r"does not parse.*" + says):
        parse(source)


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read .*missing\.py"):
        read(tmp_path / "missing.py")
    with pytest.raises(SourceError, match="save the script as UTF-8"):
        decode(b"A = 1\nB = 2\n# far down: \xff\xfe\n")
    with pytest.raises(SourceError, match="encoding"):
        decode(b"# coding: no-such-thing\n")


def test_spans_count_characters_of_the_text() -> None:
    text = "\ufeffÄ = 'é'; Ö = 22\r\nB = 3\r\x0cC = 44\n"
    script = parse(text)
    values = [script.slice(stmt.value) for stmt in script.tree.body]  # type: ignore[attr-defined]
    assert values == ["'é'", "22", "3", "44"]


def test_the_same_text_is_parsed_once() -> None:
    assert parse("A = 1\n") is parse("A = 1\n")
