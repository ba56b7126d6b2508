"""Where the programs of a command line are: interpreters, their environments and installations.

A command runs with the user's own Python, which often lies below home: in a virtual environment, in
uv's, conda's or pyenv's folders. These can be read in the sandbox, and nothing else of home. What
a command starts besides, words do not tell: such folders have to be listed.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping

from env import view

_ALWAYS = ("python", "python3")
_IN_FOLDER = (".venv", "venv")
# What these programs keep elsewhere: interpreters, and environments by project. The first that is
# named by a variable counts, else the folder below home.
_KEPT: Mapping[str, tuple[tuple[str, str], ...]] = {
    "uv": (("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python"),),
    "uvx": (("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python"),),
    "poetry": (("POETRY_VIRTUALENVS_PATH", ".cache/pypoetry/virtualenvs"),),
    "pipenv": (("WORKON_HOME", ".local/share/virtualenvs"),),
    "hatch": (("HATCH_DATA_DIR", ".local/share/hatch"),),
    "conda": (("CONDA_ENVS_PATH", ".conda/envs"),),
    "mamba": (("CONDA_ENVS_PATH", ".conda/envs"),),
    "micromamba": (("MAMBA_ROOT_PREFIX", "micromamba"),),
    "pyenv": (("PYENV_ROOT", ".pyenv"),),
}
_ENVIRONMENTS = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT")  # variables
_PROGRAMS = ("bin", "condabin")
_STORES = ("/nix/store", "/gnu/store")  # where everything refers to everything
_LIBRARIES = ("CUDA_HOME", "CUDA_PATH")  # variables, as LD_LIBRARY_PATH is
_MOST_LINKS = 40
_PTH_CHARACTERS = 1 << 16


def prefixes(command: str, path: str, folder: str) -> tuple[str, ...]:
    """The folders and files, outside the system's, that the programs of a command line need.

    So are those that variables of the linker and of CUDA name. `path` is the search path of the
    command, `folder` where it runs. They are absolute, outermost first, and none holds home, or is
    it. Words that name no program are passed over.
    """
    search = _Search(path, folder)
    for name in _IN_FOLDER:
        search.environment(os.path.join(folder, name))
    for variable in _ENVIRONMENTS:
        named = os.environ.get(variable, "")
        if named:
            search.environment(os.path.join(folder, named))
    for word in (*_ALWAYS, *_words(command)):
        search.word(word)
    for variable in ("LD_LIBRARY_PATH", *_LIBRARIES):
        for named in filter(None, os.environ.get(variable, "").split(os.pathsep)):
            search.add(named)
    for own in glob.glob(
        f"{glob.escape(search.home)}/.local/lib/python3.*"
    ):  # packages installed with --user
        search.add(own)
    return search.found()


def needed_by(program: str) -> tuple[str, ...]:
    """The folders and files, outside the system's, that one program needs, by its path."""
    search = _Search("", "/nonexistent")
    search.program(program)
    return search.found()


class _Search:
    """Collects what programs need."""

    def __init__(self, path: str, folder: str) -> None:
        self.home = os.path.expanduser("~").rstrip("/") or "/"
        self._path = os.pathsep.join(p for p in path.split(os.pathsep) if os.path.isabs(p))
        self._folder = folder
        self._found: set[str] = set()
        self._seen: set[str] = set()

    def found(self) -> tuple[str, ...]:
        """All that was added, without what lies in another of them."""
        kept: list[str] = []
        for path in sorted(self._found, key=lambda path: path.split("/")):
            if not (kept and view.inside(path, kept[-1])):
                kept.append(path)
        return tuple(kept)

    def add(self, path: str) -> None:
        """Add a path, unless it is the system's, or too much."""
        path = os.path.normpath(path)
        there = os.path.isabs(path) and os.path.lexists(path)
        if there and not self._too_wide(path) and not _of_system(path):
            self._found.add(path)

    def word(self, word: str) -> None:
        """Add what a word of the command line needs, if it names a program or an environment."""
        program = None
        if "/" in word:
            named = os.path.normpath(os.path.join(self._folder, word))
            if os.path.isdir(named):
                self.environment(named)
            elif os.path.isfile(named):
                program = named
        else:
            program = shutil.which(word, path=self._path) if self._path else None
        if program is not None:
            self.program(program)
            for variable, below in _KEPT.get(os.path.basename(program), ()):
                kept = os.environ.get(variable, "") or os.path.join(self.home, below)
                self.add(kept)
                for about in glob.glob(f"{glob.escape(kept)}/*/pyvenv.cfg"):
                    self.environment(os.path.dirname(about))

    def program(self, program: str) -> None:
        """Add what holds a program, what its links lead to, and what interprets it."""
        if program in self._seen:
            return
        self._seen.add(program)
        for step in _steps(program):
            self._holder(step)
        for other in self._interpreters(os.path.realpath(program)):
            self.program(other)

    def environment(self, root: str) -> None:
        """Add an environment or installation of Python, and what it is based on."""
        if root in self._seen or not _is_prefix(root):
            return
        self._seen.add(root)
        self.add(root)
        for path in _elsewhere(root):
            self.add(path)
        about = _settings(os.path.join(root, "pyvenv.cfg"))
        base = about.get("home", "")
        names = ("python3", "python", f"python{'.'.join(about.get('version', '3').split('.')[:2])}")
        programs = [os.path.join(base, name) for name in names] if base else []
        programs += [about[key] for key in ("executable", "base-executable") if key in about]
        for program in programs:
            if os.path.isabs(program) and os.path.lexists(program):
                self.program(program)

    def _holder(self, program: str) -> None:
        parent, name = os.path.split(os.path.dirname(program))
        store = next((root for root in _STORES if view.inside(program, root)), None)
        if store is not None:
            self.add(store)
        elif name == "shims" and not self._too_wide(parent):  # pyenv, asdf: scripts that choose
            self.add(parent)
        elif name in _PROGRAMS and _is_prefix(parent) and not self._too_wide(parent):
            self.environment(parent)
        elif not view.inside(program, self._folder):  # what lies there is there anyway
            self.add(program)
            if "python" in os.path.basename(program):  # installed into ~/.local
                for part in ("lib/python3.*", "lib/libpython3*", "lib64/python3.*"):
                    for path in glob.glob(os.path.join(glob.escape(parent), part)):
                        self.add(path)

    def _interpreters(self, file: str) -> Iterator[str]:
        """What the first line of a script says that runs it."""
        try:
            with open(file, "rb") as opened:
                head = opened.read(512)
        except OSError:
            return
        if not head.startswith(b"#!"):
            return
        words = os.fsdecode(head[2:].split(b"\n", 1)[0]).split()
        for word in words:
            found = word if os.path.isabs(word) else None
            if found is None and os.path.basename(words[0]) == "env" and self._path:
                found = shutil.which(word, path=self._path)
            if found is not None and os.path.isfile(found):
                yield found

    def _too_wide(self, path: str) -> bool:
        """Whether it holds home, is it, or holds much of it that is no program's."""
        parts = (self.home, os.path.join(self.home, ".local"), os.path.realpath(self.home))
        return any(view.inside(part, path) for part in parts)


def _words(command: str) -> Iterator[str]:
    """The words of a command line, and what is behind `=` in them, as its shell would read them."""
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.commenters = ""
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        words = command.split()
    for word in words:
        for part in (word, word.partition("=")[2]):
            if part:
                yield os.path.expandvars(os.path.expanduser(part))


def _steps(path: str) -> list[str]:
    """A path, and all that its links lead to, one after the other."""
    steps = [os.path.normpath(path)]
    while os.path.islink(steps[-1]) and len(steps) < _MOST_LINKS:
        leads = os.readlink(steps[-1])
        steps.append(os.path.normpath(os.path.join(os.path.dirname(steps[-1]), leads)))
    return [*steps, os.path.realpath(path)]


def _is_prefix(root: str) -> bool:
    """Whether a folder is an environment, or holds an installation with its libraries."""
    if any(os.path.exists(os.path.join(root, name)) for name in ("pyvenv.cfg", "conda-meta")):
        return True
    libraries = any(os.path.isdir(os.path.join(root, name)) for name in ("lib", "lib64"))
    own = any(os.path.isdir(os.path.join(root, name)) for name in _PROGRAMS)
    return libraries and own and os.path.dirname(root) != "/"


def _elsewhere(root: str) -> Iterator[str]:
    """The folders outside an environment whose packages are installed to be edited."""
    for file in glob.glob(f"{glob.escape(root)}/lib/python3*/site-packages/*.pth"):
        with contextlib.suppress(OSError), open(file, encoding="utf-8", errors="replace") as opened:
            for line in opened.read(_PTH_CHARACTERS).splitlines():
                if os.path.isabs(line) and os.path.isdir(line):
                    yield line


def _settings(file: str) -> dict[str, str]:
    """What a `pyvenv.cfg` says; nothing where there is none."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            pairs = [line.partition("=") for line in opened]
    except OSError:
        return {}
    return {name.strip().lower(): value.strip() for name, _, value in pairs if value}


def _of_system(path: str) -> bool:
    return any(view.inside(path, root) for root in view.SYSTEM)
