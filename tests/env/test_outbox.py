import json
import os
from collections.abc import Iterator

import pytest

from env.outbox import Outbox


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass


def report(step: int) -> dict[str, object]:
    return {"type": "message", "body": {"type": "report", "step": step, "padding": "x" * 1000}}


def lines(end: int) -> list[dict[str, object]]:
    os.set_blocking(end, False)
    text = b""
    while True:
        try:
            block = os.read(end, 1 << 20)
        except BlockingIOError:
            break
        if not block:
            break
        text += block
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines()]


def test_nobody_reads_and_it_neither_blocks_nor_grows(pipe: tuple[int, int]) -> None:
    outbox = Outbox(pipe[1])
    for step in range(3000):  # 3 MB; a pipe holds 64 KiB
        outbox.put(report(step))
    outbox.put({"type": "exit"})
    assert not outbox.flush(0.05)
    found = lines_while_flushing(pipe[0], outbox)
    assert found[-1] == {"type": "exit"}
    steps = [body["step"] for line in found[:-1] if isinstance(body := line["body"], dict)]
    assert steps == list(range(len(steps)))
    assert 64 <= len(steps) < 300


def lines_while_flushing(end: int, outbox: Outbox) -> list[dict[str, object]]:
    text, whole = b"", False
    while not whole:
        text += os.read(end, 1 << 20)
        whole = outbox.flush(0)
    text += os.read(end, 1 << 20)
    return [json.loads(line) for line in text.splitlines()]


def test_messages_arrive_in_order(pipe: tuple[int, int]) -> None:
    outbox = Outbox(pipe[1])
    outbox.put({"type": "started"})
    outbox.put(report(1))
    assert outbox.flush(1)
    assert [line["type"] for line in lines(pipe[0])] == ["started", "message"]


def test_a_reader_that_is_gone_is_forgotten(pipe: tuple[int, int]) -> None:
    outbox = Outbox(pipe[1])
    os.close(pipe[0])
    outbox.put({"type": "exit", "log": "x" * (1 << 20)})
    assert outbox.flush(1)
