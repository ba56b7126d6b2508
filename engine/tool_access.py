"""What the tools that scripts are run with need in the sandbox: folders, and variables.

Paths begin with `~` where they lie in the home folder, so that the file that names them can be
shared.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

COMPILED = "arl-tui/compiled"  # below the cache folder: what torch.compile and Triton leave
_HUB = re.compile(
    r"^\s*(?:import|from)\s+(?:huggingface_hub|transformers|datasets|tokenizers|kernels)\b", re.M
)
_HOME_PATH = re.compile(r"""["'](~/(?:\.cache/|\.local/share/)?[^"'\s{}$*?.][^"'\s{}$*?]*)["']""")


@dataclass(frozen=True)
class Needs:
    """Folders to read and to write, variables to set, and folders that must be made first."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    made: tuple[Path, ...] = ()

    def __add__(self, other: Needs) -> Needs:
        return Needs(
            tuple(dict.fromkeys(self.read + other.read)),
            tuple(dict.fromkeys(self.write + other.write)),
            {**self.env, **other.env},
            tuple(dict.fromkeys(self.made + other.made)),
        )


def uv() -> Needs:
    """uv: its cache and the Pythons that it installed, to read; it neither syncs nor downloads."""
    cache = os.environ.get("UV_CACHE_DIR") or str(_cache() / "uv")
    pythons = os.environ.get("UV_PYTHON_INSTALL_DIR") or str(_data() / "uv")
    # Without a cache it needs no place to write; what it would put there is in .venv already.
    env = {"UV_OFFLINE": "1", "UV_NO_SYNC": "1", "UV_NO_CACHE": "1"}
    return Needs(read=(_short(cache), _short(pythons)), env=env)


def hub() -> Needs:
    """What was downloaded from the Hugging Face hub, kernels among it; nothing is fetched."""
    home = os.environ.get("HF_HOME") or str(_cache() / "huggingface")
    return Needs(read=(_short(home),), env={"HF_HUB_OFFLINE": "1"})


def compiled() -> Needs:
    """A folder in which compiled kernels stay from one experiment to the next."""
    folder = _cache() / COMPILED
    env = {
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "TRITON_CACHE_DIR": str(folder / "triton"),
    }
    return Needs(write=(_short(str(folder)),), env=env, made=(folder,))


def of_script(text: str, command: str) -> Needs:
    """What a script and its command seem to need, from what they name."""
    needs = Needs(read=tuple(dict.fromkeys(_HOME_PATH.findall(text))))
    if re.match(r"uvx?\s", command):
        needs += uv()
    if _HUB.search(text):
        needs += hub()
    if "torch.compile" in text:
        needs += compiled()
    return needs


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _data() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")


def _short(path: str) -> str:
    """The path from the home folder on, where it lies there."""
    home = str(Path.home())
    return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
