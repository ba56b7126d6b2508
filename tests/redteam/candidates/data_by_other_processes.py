"""Reads descriptors, memory and environment of other processes, its ancestors above all."""
# expect: scored
# gate: refuses
# wall: sandbox

import os

import honest

VAL = "@VAL@"
ENGINE = "@ENGINE@"

others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
for name in {*others, ENGINE, str(os.getppid())}:
    for number in os.listdir(f"/proc/{name}/fd") if os.access(f"/proc/{name}/fd", os.R_OK) else ():
        try:
            target = os.readlink(f"/proc/{name}/fd/{number}")
        except OSError:
            continue
        if target == VAL or target.endswith(".db"):
            raise SystemExit(f"ESCAPED: {name} shows {target}")
    try:
        with open(f"/proc/{name}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        continue
    if any(word.endswith((b"env.scorer", b"env.supervisor", b"pytest")) for word in words):
        raise SystemExit(f"ESCAPED: sees process {words}")
