"""Runs a command behind locks that it cannot open: `python -I -S lock.py RULES COMMAND...`.

It puts Landlock and seccomp on itself, and then becomes the command. It runs inside bubblewrap
where there is one, and alone otherwise. Standard library only, and started without the `site`
module, because it starts once per trial.
"""

from __future__ import annotations

import json
import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from env import landlock, seccomp


def main() -> None:
    """Lock, as the rules in JSON say, and become the command; without one, try and report."""
    rules = json.loads(sys.argv[1])
    command = sys.argv[2:]
    if not command:
        print(json.dumps(_trial(rules)))
        return
    if rules["landlock"]:
        landlock.restrict(**rules["files"])
    if rules["seccomp"]:
        seccomp.install(unix_sockets=rules["unix_sockets"])
    os.execv(command[0], command)


def _trial(rules: dict[str, object]) -> dict[str, bool]:
    """Which of the locks hold here."""
    found = {"landlock": landlock.version() > 0, "seccomp": seccomp.supported()}
    try:
        landlock.restrict(read=["/"], write=[])
    except OSError:
        found["landlock"] = False
    try:
        seccomp.install(unix_sockets=False)
    except OSError:
        found["seccomp"] = False
    return found


if __name__ == "__main__":
    main()
