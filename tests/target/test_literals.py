"""Values are written in the style of the text that stood there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target.literal import parses_to, render, same


@pytest.mark.parametrize(
    ("value", "like", "text"),
    [
        (2**18, "2**19", "2**18"),
        (2**18, "2 ** 19", "2 ** 18"),
        (96, "2**7", "96"),
        (2048, "1 << 10", "1 << 11"),
        (32 * 1024, "64 * 1024", "32 * 1024"),
        (1000, "64 * 1024", "1000"),
        (2048, "1_024", "2_048"),
        (512, "1_024", "512"),
        (128, "0x40", "0x80"),
        (6, "4", "6"),
        (-3, "4", "-3"),
        (3e-4, "1e-3", "3e-4"),
        (1.5e-4, "1e-3", "1.5e-4"),
        (0.01, "1.0e-2", "1e-2"),
        (0.015, "0.02", "0.015"),
        (0.00004, "0.0001", "0.00004"),
        (2.0, "1.0", "2.0"),
        (1e22, "1.0", "1e+22"),
        (0.25, "1 / 3", "0.25"),
        (True, "False", "True"),
        ("relu", '"gelu"', '"relu"'),
        ("relu", "'gelu'", "'relu'"),
        ('a"b', '"gelu"', "'a\"b'"),
        ("a\nb\\", '"gelu"', '"a\\nb\\\\"'),
    ],
)
def test_style_is_kept(value: object, like: str, text: str) -> None:
    assert render(value, like) == text  # type: ignore[arg-type]


LIKES = [
    "2**3",
    "1 << 4",
    "64 * 1024",
    "1_000",
    "0x10",
    "1e-3",
    "0.1",
    '"a"',
    "'a'",
    "(3)",
    "True",
    "",
]


@given(
    st.one_of(
        st.integers(-(2**62), 2**62),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text(st.characters(codec="utf-8")),
    ),
    st.sampled_from(LIKES),
)
def test_every_value_reads_back_the_same(value: int | float | bool | str, like: str) -> None:
    assert same(parses_to(render(value, like)), value)


def test_same_tells_types_apart() -> None:
    assert not same(1, 1.0)
    assert not same(1, True)
    assert same(0.5, 0.5)


@pytest.mark.parametrize(
    "text", ["x", "1 +", "f'{1}'", "(1, 2)", "1j", "None", "9**9**9", "1 << 1000"]
)
def test_other_expressions_have_no_value(text: str) -> None:
    assert parses_to(text) is None
