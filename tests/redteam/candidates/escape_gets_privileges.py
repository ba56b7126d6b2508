"""Runs the programs on the system that give privileges."""
# expect: scored
# gate: refuses
# wall: sandbox

import os
import subprocess

import honest

COMMANDS = (["su", "-c", "id"], ["sudo", "-n", "id"], ["mount", "-t", "tmpfs", "x", "/tmp"])

for command in COMMANDS:
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, stdin=subprocess.DEVNULL)
    except OSError:
        continue
    if done.returncode == 0 and os.path.exists("/etc/shadow"):
        raise SystemExit(f"ESCAPED: {command}")
with open("/proc/self/status") as file:
    lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
if int(lines["CapEff"], 16) or lines["NoNewPrivs"].strip() != "1":
    raise SystemExit(f"ESCAPED: has capabilities {lines['CapEff']}")
