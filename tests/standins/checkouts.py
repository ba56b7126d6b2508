"""Makes a folder that looks like a person's checkout, ready to train."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

AUTORESEARCH = Path(__file__).parent / "autoresearch"
RESULTS = (
    "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
    "1f0e9ab\t2.311400\t0.1\tkeep\tbaseline\n"
    "7c44d02\t2.207300\t0.1\tkeep\tMATRIX_LR 0.02 -> 0.04\n"
    "90be11c\t2.254100\t0.1\tdiscard\tthree tokens of context\n"
    "e3a58f7\t0.000000\t0.0\tcrash\tDEVICE_BATCH_SIZE 3\n"
)


def autoresearch(
    folder: Path, home: Path | None = None, *, results: bool = False, git: bool = False
) -> Path:
    """A checkout of the stand-in in `folder`; its data below `home` if that is given.

    `results` adds a results.tsv, `git` a repository with one commit. Returns the folder.
    """
    shutil.copytree(AUTORESEARCH, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if results:
        (folder / "results.tsv").write_text(RESULTS, encoding="utf-8")
    if git:
        repository(folder)
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
        prepare(folder, home)
    return folder


def prepare(folder: Path, home: Path) -> None:
    """Run the stand-in's prepare.py with `home` as the home folder: half a second."""
    subprocess.run(
        [sys.executable, "-B", "prepare.py"],
        cwd=folder,
        env={**os.environ, "HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def repository(folder: Path) -> None:
    """Make a git repository of a folder, with everything in one commit."""
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    person = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(
            ["git", *person, *command], cwd=folder, env={**os.environ, **quiet}, check=True
        )
