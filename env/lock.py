"""Runs a command behind locks that it cannot open.

    python -P -m env.lock RULES... -- -m MODULE ARGUMENTS...
    python -I -S lock.py RULES... -- COMMAND...

It puts Landlock and seccomp on itself, and then becomes the module or the command. It runs inside
bubblewrap where there is one, and alone otherwise. It starts with every process of a trial, so it
is quick: it imports next to nothing. A rule is `name=value`.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and not __package__:  # as a file, without the `site` module
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from env import landlock, seccomp

LOCKS = ("landlock", "seccomp")
CALLS = ("unix_sockets", "memory_files", "internet")
ROOT = ("powerless",)
FILES = ("read", "write", "listed", "hidden")


def main() -> None:
    """Lock, as the rules say, and become the command; without rules, try the locks and report."""
    words = sys.argv[1:]
    if not words:
        print(*_working())
        return
    split = words.index("--")
    rules: dict[str, list[str]] = {}
    for word in words[:split]:
        name, _, value = word.partition("=")
        if name not in (*LOCKS, *CALLS, *ROOT, *FILES):
            raise ValueError(f"there is no rule {name}")
        rules.setdefault(name, []).append(value)
    if "powerless" in rules:
        from env import capabilities  # now: its file is out of reach soon
    if "landlock" in rules:
        files = {name: rules.get(name, []) for name in FILES}
        landlock.restrict(**files, internet="internet" in rules)
    if "powerless" in rules:
        capabilities.give_up()
    if "seccomp" in rules:
        seccomp.install(**{name: name in rules for name in CALLS})
    command = words[split + 1 :]
    if command[0] == "-m":
        import runpy

        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        os.execv(command[0], command)


def _working() -> list[str]:
    """The locks that hold here."""
    found = []
    try:
        landlock.restrict(read=["/"], write=[])
        found.append("landlock")
    except OSError:
        pass
    try:
        seccomp.install(unix_sockets=False, memory_files=False, internet=False)
        found.append("seccomp")
    except OSError:
        pass
    return found


if __name__ == "__main__":
    main()
