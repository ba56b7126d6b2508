import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from env.log_tail import LogTail


@given(st.lists(st.binary(max_size=40), max_size=40), st.integers(2, 60))
def test_head_and_tail_are_kept(blocks: list[bytes], limit: int) -> None:
    log = LogTail(limit)
    for block in blocks:
        log.write(block)
    whole, half = b"".join(blocks), limit // 2
    if len(whole) <= 2 * half:
        assert log.text() == whole.decode("utf-8", "replace")
    else:
        middle = f"\n... {len(whole) - 2 * half} bytes left out ...\n".encode()
        wanted = whole[:half] + middle + whole[-half:]
        assert log.text() == wanted.decode("utf-8", "replace")
    assert log.text() == log.text()


def test_a_gigabyte_is_not_held() -> None:
    log = LogTail(128 << 10)
    block = bytes(range(256)) * 256
    tracemalloc.start()
    try:
        log.write(b"first\n")
        for _ in range(1 << 14):
            log.write(block)
        log.write(b"last\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = log.text()
    assert text.startswith("first\n")
    assert text.endswith("last\n")
    left_out = (1 << 30) + len("first\nlast\n") - (128 << 10)
    assert f"\n... {left_out} bytes left out ...\n" in text
    assert peak < 1 << 20
