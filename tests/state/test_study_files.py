"""The study's folder, its lock, its content-addressed files, and what is trimmed before it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.blobs import prune_blobs, read_blob, write_blob
from state.errors import StoreCorrupt, StoreFull, StoreMissing
from state.filesystem import network_filesystem
from state.folder import StudyFolder, find_folder, require_study
from state.lock import EngineLock, StudyTaken, engine_alive, engine_pid
from state.trim import cap_log, thin_curve

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home rw shared:2 - nfs4 server:/export/home rw
31 30 254:1 / /home/me/local\\040disk rw - xfs /dev/vdb rw
32 22 0:41 / /mnt/ssh rw - fuse.sshfs host: rw
33 22 0:42 / /mnt/fuse rw - fuse.mergerfs a:b rw
34 22 0:43 / /covered rw - cifs //x/y rw
35 22 0:44 / /covered rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", None),
        ("/homework/x", None),
        ("/home", "nfs4"),
        ("/home/me/study", "nfs4"),
        ("/home/me/local disk/study", None),
        ("/mnt/ssh/a/b", "fuse.sshfs"),
        ("/mnt/fuse/a", None),
        ("/covered/a", None),
    ],
)
def test_knows_a_network_file_system_by_its_mount(path: str, kind: str | None) -> None:
    assert network_filesystem(Path(path), MOUNTINFO) == kind


def test_this_machine_s_mounts_can_be_read(tmp_path: Path) -> None:
    assert network_filesystem(tmp_path / "not" / "there") is None
    assert network_filesystem(tmp_path, "garbage\n\n1 2 - \n") is None


def test_the_folder_is_the_named_one_else_this_one_else_arl(tmp_path: Path) -> None:
    assert find_folder(Path("x"), tmp_path).path == tmp_path / "x"
    assert find_folder(tmp_path / "y", Path("/")).path == tmp_path / "y"
    assert find_folder(None, tmp_path).path == tmp_path / ".arl"
    (tmp_path / "study.db").touch()
    assert find_folder(None, tmp_path).path == tmp_path


def test_arl_hides_itself_from_git_and_others_do_not(tmp_path: Path) -> None:
    for name, hidden in ((".arl", True), ("mine", False)):
        folder = StudyFolder(tmp_path / name)
        with pytest.raises(StoreMissing):
            require_study(folder)
        folder.make()
        folder.make()
        assert (folder.path / ".gitignore").exists() is hidden
    assert (tmp_path / ".arl" / ".gitignore").read_text() == "*\n"


def test_the_lock_is_held_by_one_engine_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    assert engine_pid(path) is None
    assert not path.exists()
    with EngineLock(path):
        assert engine_alive(path)
        assert engine_pid(path) == os.getpid()
        with pytest.raises(StudyTaken, match=str(os.getpid())):
            EngineLock(path)
    assert engine_pid(path) is None
    code = (
        "import os, sys; from pathlib import Path; from state.lock import EngineLock\n"
        "lock = EngineLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert engine_pid(path) == holder.pid
        # A child that the engine starts must not keep the lock when the engine is gone.
        holder.kill()
        holder.wait()
    assert path.read_bytes() != b""
    assert engine_pid(path) is None
    EngineLock(path).release()


def test_children_of_the_engine_do_not_inherit_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    lock = EngineLock(path)
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lock.release()
        assert not engine_alive(path)
        child.kill()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}'])
def test_a_lock_file_without_a_holder_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "engine.lock"
    path.write_bytes(content)
    assert engine_pid(path) is None
    with EngineLock(path):
        assert engine_pid(path) == os.getpid()


@given(st.binary(max_size=200))
def test_a_blob_is_found_by_its_content(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "policy"
        name = write_blob(folder, data)
        assert write_blob(folder, data) == name
        assert read_blob(folder, name) == data
        assert [path.name for path in folder.iterdir()] == [name]


def test_a_damaged_blob_is_found_out_and_can_be_written_again(tmp_path: Path) -> None:
    name = write_blob(tmp_path, b"state")
    (tmp_path / name).write_bytes(b"stat")
    with pytest.raises(StoreCorrupt, match="damaged"):
        read_blob(tmp_path, name)
    assert write_blob(tmp_path, b"state") == name
    assert read_blob(tmp_path, name) == b"state"
    with pytest.raises(StoreCorrupt, match="missing"):
        read_blob(tmp_path, "0" * 64)


def test_a_blob_on_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        write_blob(tmp_path, b"state")
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_what_is_named(tmp_path: Path) -> None:
    names = [write_blob(tmp_path, bytes([i])) for i in range(3)]
    (tmp_path / ".unfinished-1").write_bytes(b"half")
    prune_blobs(tmp_path, {names[1]})
    assert [path.name for path in tmp_path.iterdir()] == [names[1]]
    prune_blobs(tmp_path / "missing", set())


@given(st.integers(0, 2000), st.integers(2, 300))
def test_a_thinned_curve_keeps_its_ends_and_its_order(length: int, limit: int) -> None:
    points = [(i / 2000, i, float(i)) for i in range(length)]
    thin = thin_curve(points, limit)
    assert len(thin) == min(length, limit)
    assert thin[:1] == points[:1]
    assert thin[-1:] == points[-1:]
    assert [p[1] for p in thin] == sorted({p[1] for p in thin})


def test_a_curve_without_numbers_is_still_json() -> None:
    assert thin_curve([(0.5, 1, float("nan")), (float("inf"), 2, None)]) == [
        (0.5, 1, None),
        (0.0, 2, None),
    ]


@given(st.text(max_size=400), st.integers(100, 500))
def test_a_capped_log_has_its_head_and_tail(text: str, limit: int) -> None:
    log = cap_log(text, limit)
    assert len(log.encode()) <= limit
    if len(text.encode()) <= limit:
        assert log == text
    else:
        assert "bytes left out" in log
        assert log[0] == text[0] or log.startswith("\n")
        assert log[-1] == text[-1] or log.endswith("\n")


def test_a_log_that_is_no_unicode_is_kept_escaped() -> None:
    assert cap_log("a\udc80b") == "a\\udc80b"
