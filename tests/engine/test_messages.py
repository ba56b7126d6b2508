import json

import pytest

from engine.messages import Exit, Failed, Forwarded, Report, Scored, Started, parse

EXIT = {
    "type": "exit",
    "kind": "exited",
    "reason": "it exited with code 0",
    "clean": True,
    "startup_seconds": 1.0,
    "wall_seconds": 2.0,
    "clock_seconds": 2.0,
    "total_seconds": 3.5,
    "peak_memory_mb": 300.5,
    "left": 0,
    "log": "",
}
REPORT = {"type": "report", "step": 3, "loss": 2.5, "progress": 0.5}
SCORED = {
    "type": "scored",
    "val_bpb": 1.5,
    "sealed_bpb": 1.6,
    "nats": 10.0,
    "bytes": 9,
    "seconds": 1.0,
}
FAILED = {"type": "failed", "status": "crash", "reason": "it broke"}
TRAINED = {"type": "trained", "seconds": 1.0, "steps": 5}
SAVED = {"type": "saved", "peak_memory_mb": 5.0}


def forwarded(body: object) -> object:
    return parse(json.dumps({"type": "message", "body": body}).encode())


@pytest.mark.parametrize("body", [REPORT, SCORED, FAILED, TRAINED, SAVED, {"type": "ready"}])
def test_what_may_be_said(body: dict[str, object]) -> None:
    message = forwarded(body)
    assert isinstance(message, Forwarded)
    assert message.body.model_dump() == body


def test_what_a_supervisor_says_itself() -> None:
    assert isinstance(parse(json.dumps(EXIT).encode()), Exit)
    assert parse(b'{"type": "started", "pid": 5}') == Started(type="started", pid=5)


@pytest.mark.parametrize(
    "body",
    [
        REPORT | {"loss": float("nan")},
        REPORT | {"loss": float("inf")},
        REPORT | {"loss": [1.0]},
        REPORT | {"step": -1},
        REPORT | {"step": 1.5},
        REPORT | {"step": 10**30},
        REPORT | {"progress": 1.01},
        REPORT | {"progress": float("nan")},
        SCORED | {"val_bpb": float("nan")},
        SCORED | {"val_bpb": float("-inf")},
        SCORED | {"val_bpb": -0.1},
        SCORED | {"sealed_bpb": float("inf")},
        SCORED | {"nats": float("inf")},
        SCORED | {"bytes": 0},
        {"type": "scored", "val_bpb": 0.1},
        TRAINED | {"seconds": float("inf")},
        TRAINED | {"steps": -1},
        SAVED | {"peak_memory_mb": 1e300},
        FAILED | {"status": "keep"},
        FAILED | {"status": "scored"},
        FAILED | {"reason": "x" * 2001},
        FAILED | {"reason": "\ud800"},
        EXIT,
        {"type": "unheard of"},
        {},
        [],
        "ready",
        None,
    ],
)
def test_forged_oversized_and_infinite_messages_are_refused(body: object) -> None:
    assert forwarded(body) is None


@pytest.mark.parametrize("line", [b"", b"junk", b"\xff\xfe", b"[" * 5000, b'{"type": "exit"}'])
def test_broken_lines_are_refused(line: bytes) -> None:
    assert parse(line) is None


def test_what_is_not_asked_for_is_dropped() -> None:
    message = forwarded(REPORT | {"evil": "x" * 1000})
    assert isinstance(message, Forwarded)
    assert isinstance(message.body, Report)
    assert message.body.model_dump() == REPORT


def test_a_reason_holds_nothing_that_moves_a_cursor() -> None:
    message = forwarded(FAILED | {"reason": "\x1b[2Ja\rb\nc\x9b1m größe"})
    assert isinstance(message, Forwarded)
    assert isinstance(message.body, Failed)
    assert message.body.reason == " [2Ja b c 1m größe"


def test_a_score_may_be_zero_or_more() -> None:
    message = forwarded(SCORED | {"val_bpb": 0.0})
    assert isinstance(message, Forwarded)
    assert isinstance(message.body, Scored)
