import json
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from env.channel import Channel


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Channel]]:
    ours, theirs = socket.socketpair()
    channel = Channel(theirs.detach(), line_bytes=1000)
    with ours:
        yield ours, channel
    channel.close()


def test_messages_are_whole_however_they_arrive(ends: tuple[socket.socket, Channel]) -> None:
    other, channel = ends
    text = json.dumps({"a": "ä" * 50}).encode() + b'\n{"b": 2}\n{"c"'

    def write() -> None:
        for number in range(len(text)):
            other.sendall(text[number : number + 1])

    writer = threading.Thread(target=write)
    writer.start()
    assert channel.receive() == {"a": "ä" * 50}
    assert channel.receive() == {"b": 2}
    writer.join()
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        channel.receive()


@pytest.mark.parametrize("line", [b"junk", b"[1]", b'"text"', b"[" * 900, b"\xff\xfe"])
def test_what_is_no_message_is_refused(ends: tuple[socket.socket, Channel], line: bytes) -> None:
    other, channel = ends
    other.sendall(line + b"\n")
    with pytest.raises(ValueError):  # noqa: PT011 - which words does not matter
        channel.receive()


def test_deep_nesting_is_refused(ends: tuple[socket.socket, Channel]) -> None:
    other, channel = ends
    other.sendall(b'{"a":' * 190 + b"1" + b"}" * 190 + b"\n")
    channel.receive()  # short enough to be parsed
    ours, theirs = socket.socketpair()
    wide = Channel(theirs.detach())
    with ours:
        ours.sendall(b"[" * 30_000 + b"\n")
        with pytest.raises(ValueError, match="nested"):
            wide.receive()
    wide.close()


def test_an_endless_message_is_refused(ends: tuple[socket.socket, Channel]) -> None:
    other, channel = ends
    other.sendall(b"x" * 5000)
    with pytest.raises(ValueError, match="too long"):
        channel.receive()


def test_a_descriptor_comes_with_its_message(
    ends: tuple[socket.socket, Channel], tmp_path: os.PathLike[str]
) -> None:
    other, channel = ends
    file = os.path.join(tmp_path, "file")
    with open(file, "w") as opened:
        opened.write("data")
    number = os.open(file, os.O_RDONLY)
    socket.send_fds(other, [b'{"type": "go"}\n'], [number])
    os.close(number)
    body, received = channel.receive_descriptor()
    assert body == {"type": "go"}
    assert os.read(received, 100) == b"data"
    os.close(received)
    other.sendall(b'{"type": "go"}\n')
    with pytest.raises(ValueError, match="no file descriptor"):
        channel.receive_descriptor()


def test_descriptors_that_nobody_asked_for_are_not_kept(
    ends: tuple[socket.socket, Channel],
) -> None:
    other, channel = ends
    before = len(os.listdir("/proc/self/fd"))
    socket.send_fds(other, [b'{"type": "logits"}\n'], [0])
    assert channel.receive() == {"type": "logits"}
    assert len(os.listdir("/proc/self/fd")) == before
