"""What can be seen from inside the sandbox: interpreter, packages and system libraries.

Everything else stays outside: home, studies, data. So do parts of what is inside: SymPy's own
`tests/` folders, which the embedded validation text comes from, and other Pythons' packages.
"""

from __future__ import annotations

import functools
import glob
import os
import site
import sys
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = (
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
)


@functools.cache
def interpreter() -> tuple[str, ...]:
    """The folders that hold Python, its packages and the frozen code, outermost first."""
    wanted = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(__file__).resolve().parent)}
    wanted |= {path for path in _site_packages() if os.path.isdir(path)}
    wanted.add(os.path.dirname(os.path.realpath(sys.executable)))
    real = {os.path.realpath(path) for path in wanted} | {os.path.abspath(path) for path in wanted}
    roots = real | {"/usr"}
    return tuple(sorted(p for p in real if not any(inside(p, root) for root in roots - {p})))


@functools.cache
def covered() -> tuple[str, ...]:
    """Folders inside the view that must not be read: every SymPy's tests, other packages."""
    ours = {os.path.realpath(path) for path in _site_packages()}
    found: list[str] = []
    others = glob.glob("/usr/lib/python3*/dist-packages")
    others += glob.glob("/usr/local/lib/python3*/*-packages")
    others += glob.glob(f"{sys.base_prefix}/lib/python3*/site-packages")
    others += glob.glob(f"{sys.base_prefix}/pkgs/sympy*/**/site-packages", recursive=True)  # conda
    others += glob.glob(f"{sys.base_prefix}/envs/*/lib/python3*/site-packages")
    if site.ENABLE_USER_SITE is False and os.path.isdir(site.getusersitepackages()):
        others.append(site.getusersitepackages())
    for path in dict.fromkeys(os.path.realpath(path) for path in others):
        if path.endswith("-packages") and path not in ours and os.path.isdir(path):
            found.append(path)
    for path in sorted(ours):
        for folder, names, _ in os.walk(os.path.join(path, "sympy")):
            if "tests" in names:
                found.append(os.path.join(folder, "tests"))
                names.remove("tests")
    visible = (*SYSTEM, *interpreter())
    return tuple(p for p in found if any(inside(p, root) for root in visible))


def inside(path: str, root: str) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def _site_packages() -> list[str]:
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
