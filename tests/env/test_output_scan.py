"""What is read from a command's output, whatever it prints and however it comes."""

from __future__ import annotations

import math
import tracemalloc
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from env.output_scan import OutputScan

PROGRESS = (
    r"step (?P<step>\d+)(?:/(?P<total>\d+))?(?: \((?P<percent>[\d.]+)%\))? \| loss: (?P<loss>\S+)"
)


class Heard:
    """A scan, and what it said."""

    def __init__(self, **output: Any) -> None:
        self.said: list[dict[str, Any]] = []
        self.seconds = 0.0
        known = {"score": None, "memory": None, "progress": None, "seconds": 100.0}
        self.scan = OutputScan(known | output, lambda: self.seconds, self.said.append)

    def read(self, *blocks: bytes) -> dict[str, Any]:
        for block in blocks:
            self.scan.write(block)
        self.scan.write(b"\n")
        return self.scan.found()

    @property
    def reports(self) -> list[tuple[int, float, float]]:
        reports = [body for body in self.said if body["type"] == "report"]
        return [(body["step"], body["loss"], round(body["progress"], 6)) for body in reports]


def test_the_last_match_counts() -> None:
    output = b"val_bpb: 2.0\n---\nval_bpb:          0.9979\npeak_vram_mb:     45060.2\n"
    heard = Heard(score=r"^val_bpb:\s*(\S+)", memory=r"^peak_vram_mb:\s*(\S+)")
    assert heard.read(output) == {"score": "0.9979", "scores": 2, "memory": "45060.2"}


def test_without_a_match_there_is_nothing() -> None:
    heard = Heard(score="^val_bpb: (.*)", memory="MiB", progress=PROGRESS)
    assert heard.read(b"nothing to see\n", b"", b"here") == {}
    assert heard.said == []


def test_the_first_group_that_took_part_is_the_text_or_the_whole_match() -> None:
    assert Heard(score=r"acc=(\d+)|loss=(\d+)").read(b"loss=7\n")["score"] == "7"
    assert Heard(score=r"\d+\.\d+").read(b"it is 0.25 now\n")["score"] == "0.25"
    assert Heard(score=r"x(\d+)?").read(b"x\n")["score"] == "x"
    assert len(Heard(score=".+").read(b"y" * 5000)["score"]) == 100


def test_lines_end_with_a_line_feed_a_carriage_return_or_both() -> None:
    heard = Heard(score=r"^s=(\d)$")
    assert heard.read(b"s=1\r", b"\ns=2\rs=3\n\r\ns=4\r\ns=5") == {"score": "5", "scores": 5}
    # Unicode knows more line ends, which are no terminal's.
    assert Heard(score="^s$").read("a\u2028s\x0bs\n".encode()) == {}


def test_colours_and_titles_are_not_part_of_a_line() -> None:
    line = b"\x1b]0;title\x07\x1b[1m\x1b[38;5;9mval_bpb\x1b[0m: \x1b[32m1.5\x1b[0m\x1b[K\n"
    assert Heard(score=r"^val_bpb: (\d\.\d)$").read(line)["score"] == "1.5"
    assert Heard(score=r"^b$").read(b"\x1b]never ends\nb\n")["score"] == "b"


def test_undecodable_bytes_hide_nothing() -> None:
    assert Heard(score=r"s=(\d+)").read(b"\xff\xfe\x00s=12\xf0\n")["score"] == "12"


def test_progress_lines_become_reports() -> None:
    heard = Heard(progress=PROGRESS)
    heard.read(
        b"compiling\r",
        b"\rstep 00012 (1.3%) | loss: 5.123456 | dt: 3ms",
        b"\rstep 00013 (1.4%) | loss: 5.0 | dt: 3ms",
    )
    assert [body["type"] for body in heard.said] == ["ready", "report", "report"]
    assert heard.reports == [(12, 5.123456, 0.013), (13, 5.0, 0.014)]


def test_the_newest_of_a_block_is_enough() -> None:
    heard = Heard(progress=PROGRESS)
    heard.read(b"".join(b"step %d/100 | loss: 2.5\n" % step for step in range(50)))
    assert heard.reports == [(49, 2.5, 0.49)]


def test_progress_is_the_share_of_steps_or_of_the_time() -> None:
    by_steps = Heard(progress=PROGRESS)
    by_steps.read(b"step 30/120 | loss: 1\n")
    assert by_steps.reports == [(30, 1.0, 0.25)]
    by_time = Heard(progress=r"loss (?P<loss>\S+)")
    for by_time.seconds in (10.0, 40.0, 500.0):
        by_time.scan.write(b"loss 3.5\n")
    assert by_time.reports == [(1, 3.5, 0.1), (2, 3.5, 0.4), (3, 3.5, 1.0)]
    nothing_of_it = Heard(progress=PROGRESS)
    nothing_of_it.read(b"step 3/0 | loss: 1\n")
    assert nothing_of_it.reports == [(3, 1.0, 0.0)]


def test_progress_never_falls_back() -> None:
    heard = Heard(progress=PROGRESS)
    for percent in (10, 50, 20, 999, 3):
        heard.scan.write(b"step 1 (%d%%) | loss: 1\n" % percent)
    assert [progress for _, _, progress in heard.reports] == [0.1, 0.5, 0.5, 1.0, 1.0]


def test_a_loss_that_is_no_number_is_not_reported() -> None:
    heard = Heard(progress=r"^loss: (?P<loss>.*)")
    heard.read(b"loss: none yet\n")
    assert heard.said == []
    for loss in (b"nan", b"inf", b"-inf", b"1,234.5"):
        heard.scan.write(b"loss: %s\n" % loss)
    assert heard.said[0] == {"type": "ready"}  # it trains, if badly
    assert heard.reports == [(4, 1234.5, 0.0)]


PIECES = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b"s=", b"1", b"22", b" ", b"\x1b[31m", b"\xff", "é".encode(), b"x" * 50]
)


@given(st.lists(PIECES, max_size=60), st.lists(st.integers(0, 400), max_size=8))
def test_how_the_output_is_cut_into_blocks_makes_no_difference(
    pieces: list[bytes], cuts: list[int]
) -> None:
    output = b"".join(pieces)
    places = sorted({0, len(output), *(cut for cut in cuts if cut < len(output))})
    blocks = [output[start:end] for start, end in pairwise(places)]
    whole, parts = Heard(score=r"^s=(\d*)(?!.)"), Heard(score=r"^s=(\d*)(?!.)")
    assert parts.read(*blocks) == whole.read(output)


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_whatever_is_printed_reports_are_sound(blocks: list[bytes]) -> None:
    anything = r"(?P<loss>\S+)\s*(?P<percent>\S+)?\s*(?P<step>\S+)?"
    heard = Heard(score="(.+)", progress=anything)
    assert len(heard.read(*blocks).get("score", "")) <= 100
    progress = [share for _, _, share in heard.reports]
    assert progress == sorted(progress)
    assert all(0.0 <= share <= 1.0 for share in progress)
    assert all(math.isfinite(loss) and isinstance(step, int) for step, loss, _ in heard.reports)


def test_a_line_without_end_is_cut_and_not_held() -> None:
    heard = Heard(score=r"x=(\d+)", memory=r"^y=(\d+)$", progress=PROGRESS)
    block = b"x" * (1 << 16)
    heard.scan.write(b"x=1 ")
    tracemalloc.start()
    try:
        for _ in range(3200):
            heard.scan.write(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = heard.read(b" x=2\n", b"y=5\n")
    assert found == {"score": "1", "scores": 1, "memory": "5"}
    assert peak < 1 << 18
    assert heard.read(b"-" * 4096 + b"x=9\n")["score"] == "1"


def test_a_million_lines_are_counted_and_not_held() -> None:
    heard = Heard(score=r"^val: (\S+)", progress=PROGRESS)
    block = b"".join(
        b"\rstep %05d (50.0%%) | loss: 2.5 | val: no\nval: 1.5\n" % n for n in range(1000)
    )
    tracemalloc.start()
    try:
        for _ in range(10):
            heard.scan.write(block)
        _, before = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(10):
            heard.said.clear()
            heard.scan.write(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= before + (1 << 16)
    for _ in range(480):
        heard.said.clear()
        heard.scan.write(block)
    assert heard.read() == {"score": "1.5", "scores": 500_000}
    assert len(heard.reports) == 1
