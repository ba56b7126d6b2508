"""Writing a file for a person: whole or not at all, and never over another one unasked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from arl_tui.exits import CommandError, Exit, code_of


class FileTaken(CommandError):
    """The file exists, and nobody has said that it may be overwritten."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists: choose another name, or overwrite with --force.")
        self.path = path


def write_whole(path: Path, data: bytes | Iterable[bytes], force: bool) -> None:
    """Write a whole file or nothing; an existing one only when forced, keeping its mode.

    `data` may come in pieces.

    Raises FileTaken when it exists, and CommandError with a sentence when it cannot be written.
    """
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            raise CommandError(f"{path} is not a file that can be replaced: name another one.")
        if path.exists() and not force:
            raise FileTaken(path)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data)
            os.chmod(name, mode)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (ValueError, RuntimeError) as error:  # a null byte; links in a circle
        raise CommandError(f"{str(path)!r} cannot be the name of a file.") from error
    except FileNotFoundError as error:
        raise CommandError(f"There is no folder {path.parent}: make it first.") from error
    except OSError as error:
        code = code_of(error) or Exit.USAGE
        raise CommandError(f"{path} cannot be written: {error.strerror}.", code) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
