"""Writes to the kernel's settings: `core_pattern` names a program that root runs at a crash."""
# expect: scored
# gate: refuses
# wall: sandbox

import os

import honest

# What is written is what stands there already: the attempt itself changes nothing.
for path in ("kernel/core_pattern", "kernel/hostname", "vm/overcommit_memory", "kernel/modprobe"):
    try:
        with open(f"/proc/sys/{path}") as file:
            value = file.read()
        with open(f"/proc/sys/{path}", "w") as file:
            file.write(value)
    except OSError:
        continue
    raise SystemExit(f"ESCAPED: writes {path}")
for path in ("/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/mtrr", "/dev/kmsg"):
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        continue
    raise SystemExit(f"ESCAPED: may write {path}")
