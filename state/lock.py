"""The lock file that says which engine has a study, and that it is alive.

The kernel's lock (flock) on `engine.lock` decides; the JSON inside only names the holder:
{"pid": ..., "start_time": ... in ticks since boot, "boot_id": ...}. A killed engine leaves the
file behind but not the lock. The lock is not inherited by child processes' programs (the file is
opened close-on-exec); a child that is only forked must close `fileno`.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType

from state.errors import StoreError, from_os
from state.records import Process

_TRIES = 40
_PAUSE = 0.025  # seconds; a viewer that looks at the lock holds it for microseconds


class StudyTaken(StoreError):
    """Another engine has the study."""


class EngineLock:
    """The lock on a study, held until `release`, the end of the `with`, or the process's end."""

    def __init__(self, path: Path) -> None:
        """Take the lock on the file at `path`. Raises StudyTaken when another engine has it."""
        self.path = path
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise from_os(error, path) from error
        try:
            self._acquire()
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(vars(this_process())).encode(), 0)
        except OSError as error:
            os.close(self._handle)
            raise from_os(error, path) from error
        except BaseException:
            os.close(self._handle)
            raise

    def _acquire(self) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(_PAUSE)
        pid = _read_pid(self.path)
        who = "another process" if pid is None else f"the engine with process id {pid}"
        raise StudyTaken(
            f"This study ({self.path.parent}) is in use by {who}: open it with `arl-tui`, or "
            "stop that engine with `arl-tui stop`."
        )

    @property
    def fileno(self) -> int:
        """The open file that holds the lock."""
        return self._handle

    def release(self) -> None:
        """Give the study back. Safe to call twice."""
        if self._handle >= 0:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> EngineLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def engine_alive(path: Path) -> bool:
    """Whether an engine holds the lock on the file at `path`; it need not exist."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks holds no engine
        return False
    finally:
        os.close(handle)
    return False


def engine_pid(path: Path) -> int | None:
    """The process id of the engine that holds the lock on the file at `path`, else None."""
    for _ in range(_TRIES):
        if not engine_alive(path):
            return None
        pid = _read_pid(path)
        if pid is not None:
            return pid
        time.sleep(_PAUSE)  # it has the lock and is about to write its name
    return None


def this_process() -> Process:
    """This process, as no later one can be mistaken for it."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    # The name, in parentheses, may itself hold spaces and parentheses; field 22 is the start.
    after_name = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
    return Process(pid=os.getpid(), start_time=int(after_name[19]), boot_id=boot)


def _read_pid(path: Path) -> int | None:
    try:
        pid = json.loads(path.read_bytes())["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None
