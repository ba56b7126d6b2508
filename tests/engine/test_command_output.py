"""What is read from the output of a command: its score, and why it failed."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.output_reading import failing_part, last_error, last_line, out_of_memory
from engine.score_pattern import LARGEST, ScoreError, default_pattern, parse_score


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("val_bpb: 0.9979", "0.9979"),
        ("val_bpb:          0.997900", "0.997900"),
        ("step 3 | val_bpb = 1.5e-2 | lr 3", "1.5e-2"),
        ('{"val_bpb": 0.5, "loss": 2}', "0.5"),
        ("{'val_bpb': -0.25}", "-0.25"),
        ("VAL_BPB: 3", "3"),
        ("val_bpb=1,234.5", "1,234.5"),
        ("val_bpb: nan", "nan"),
        ("val_bpb: -inf", "-inf"),
        ("best_val_bpb: 0.9", None),
        ("val_bpb_smooth: 0.9", None),
        ("val_bpb is fine", None),
    ],
)
def test_where_a_score_stands_in_a_line(line: str, found: str | None) -> None:
    match = re.search(default_pattern("val_bpb"), line)
    assert (match and match[1]) == found


def test_a_metric_whose_name_is_no_word() -> None:
    assert re.search(default_pattern("top-1 acc"), "top-1 acc: 71.3%")[1] == "71.3"  # type: ignore[index]


@given(st.floats(-LARGEST, LARGEST))
def test_every_number_that_python_prints_is_read(value: float) -> None:
    match = re.search(default_pattern("loss"), f"loss: {value}")
    assert match is not None
    assert parse_score(match[1], "loss") == value


def test_scores_with_units_and_thousands() -> None:
    assert parse_score("71.3%", "accuracy") == 71.3
    assert parse_score("1,234.5", "loss") == 1234.5
    assert math.isclose(parse_score(" '0.5',", "loss"), 0.5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nan", "its loss is nan"),
        ("inf", "its loss is inf"),
        ("-1.5e200", "its loss is -1.5e+200, which is too large to compare"),
        ("fine", "what it printed as loss is no number: 'fine'"),
        ("87,5 %", "what it printed as loss is no number: '87,5 %'"),
    ],
)
def test_scores_that_are_none(text: str, sentence: str) -> None:
    with pytest.raises(ScoreError, match=re.escape(sentence)):
        parse_score(text, "loss")


TRACEBACK = """\
step 1 (0.5%) | loss: 3.1\rstep 2 (1.0%) | loss: 3.0\r
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    width = 1 / 0
            ~~^~~
ZeroDivisionError: division by zero
wandb: waiting for the process to end
"""


def test_the_last_error_of_a_log() -> None:
    assert last_error(TRACEBACK) == "ZeroDivisionError: division by zero"
    chained = TRACEBACK + "\nTraceback (most recent call last):\n  File x\nRuntimeError: twice\n"
    assert last_error(chained) == "RuntimeError: twice"
    ranked = TRACEBACK.replace("\n", "\n[rank0]: ")
    assert last_error(ranked) == "ZeroDivisionError: division by zero"
    assert last_error("nothing happened\n") is None
    assert last_error("Traceback (most recent call last)\n") is None


def test_the_last_line_that_says_anything() -> None:
    assert last_line("a\r\x1b[31mb\x1b[0m\r\n\n  \n") == "b"
    assert last_line("sh: 1: uv: not found\n") == "sh: 1: uv: not found"
    assert last_line("") is None


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB.",
        "torch.cuda.OutOfMemoryError: CUDA out of memory.",
        "RuntimeError: CUDA error: out of memory",
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array",
        "RuntimeError: DefaultCPUAllocator: not enough memory: you tried to allocate 4",
        "OSError: [Errno 12] Cannot allocate memory",
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 3 bytes",
        "terminate called after throwing an instance of 'std::bad_alloc'",
    ],
)
def test_memory_that_has_run_out(line: str) -> None:
    assert out_of_memory(f"before\n{line}\nafter\n") == line


@pytest.mark.parametrize("line", ["memory: 3 GiB", "peak_memory_mb: 100", "ValueError: no memory"])
def test_memory_that_has_not(line: str) -> None:
    assert out_of_memory(f"{line}\n") is None


def test_memory_that_ran_out_and_was_got_over_is_no_reason() -> None:
    warning = "CUDA out of memory, trying half the batch\n"
    traceback = 'Traceback (most recent call last):\n  File "a.py"\n'
    assert out_of_memory(failing_part(f"{warning}{traceback}ValueError: 3\n")) is None
    assert out_of_memory(failing_part(f"step 1\n{traceback}MemoryError\n")) == "MemoryError"
    assert out_of_memory(failing_part(warning)) == warning.strip()
