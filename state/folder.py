"""The folder of a study: which one it is, and what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from state.errors import StoreMissing, StoreOnNetwork, from_os
from state.filesystem import network_filesystem

DATABASE = "study.db"
DEFAULT = ".arl"


@dataclass(frozen=True)
class StudyFolder:
    """The paths in a study's folder. `path` is absolute."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / DATABASE

    @property
    def lock(self) -> Path:
        """Locked by the engine for as long as it lives; see `state.lock`."""
        return self.path / "engine.lock"

    @property
    def socket(self) -> Path:
        """The engine's control socket."""
        return self.path / "engine.sock"

    @property
    def log(self) -> Path:
        """What the engine writes about itself."""
        return self.path / "engine.log"

    @property
    def policy(self) -> Path:
        """Saved states of the policy, by content hash."""
        return self.path / "policy"

    @property
    def weights(self) -> Path:
        """The incumbent's weights, by content hash."""
        return self.path / "weights"

    @property
    def scratch(self) -> Path:
        """Where trials work; empty between runs."""
        return self.path / "scratch"

    @property
    def parts(self) -> tuple[Path, ...]:
        """All that a study keeps in its folder, which may be a person's own."""
        database = tuple(self.path / f"{DATABASE}{end}" for end in ("", "-wal", "-shm", ".new"))
        folders = self.policy, self.weights, self.scratch
        return (*database, self.lock, self.socket, self.log, *folders)

    @property
    def exists(self) -> bool:
        """Whether the folder holds a study. Raises StoreError when it may not be looked at."""
        try:
            return self.database.exists()
        except OSError as error:
            raise from_os(error, self.path) from error

    def make(self) -> None:
        """Create the folder and those inside it; an `.arl` folder hides itself from git.

        Raises StoreOnNetwork for a folder on a network file system, StoreFull or StoreError when
        it cannot be made.
        """
        refuse_network(self.path)
        try:
            for folder in (self.path, self.policy, self.weights, self.scratch):
                folder.mkdir(parents=True, exist_ok=True)
            ignore = self.path / ".gitignore"
            if self.path.name == DEFAULT and not ignore.exists():
                ignore.write_text("*\n", encoding="ascii")
        except OSError as error:
            raise from_os(error, self.path) from error


def find_folder(study: Path | None = None, start: Path | None = None) -> StudyFolder:
    """The study's folder: `study` if given, else `start` if it holds a study, else `start`/.arl.

    `start` is the current folder unless given. The folder need not exist.
    """
    start = (Path.cwd() if start is None else start).absolute()
    if study is not None:
        return StudyFolder(start / study.expanduser())
    here = StudyFolder(start)
    return here if here.exists else StudyFolder(start / DEFAULT)


def require_study(folder: StudyFolder) -> None:
    """Raise StoreMissing when the folder holds no study."""
    if not folder.exists:
        raise StoreMissing(
            f"There is no study in {folder.path}: name one with --study, or start one with "
            "`arl-tui run`."
        )


def refuse_network(path: Path, mountinfo: str | None = None) -> None:
    """Raise StoreOnNetwork when `path` lies on a network file system."""
    kind = network_filesystem(path, mountinfo)
    if kind is not None:
        raise StoreOnNetwork(
            f"{path} is on a network file system ({kind}), where SQLite cannot keep a study "
            "safely: choose a folder on a local disk with --study."
        )
