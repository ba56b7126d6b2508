"""Gives up what root may do to other processes and to the kernel. Linux, standard library only.

bubblewrap drops all capabilities. Without it root keeps those over files, which its own may need.
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_CAPBSET_DROP = 24
_VERSION = 0x20080522  # of the structures of capget and capset
# From linux/capability.h: kill, setpcap, net_bind_service, net_broadcast, net_admin, net_raw,
# ipc_lock, ipc_owner, sys_module, sys_rawio, sys_chroot, sys_ptrace, sys_pacct, sys_admin,
# sys_boot, sys_nice, sys_resource, sys_time, sys_tty_config, mknod, lease, audit_write,
# audit_control, setfcap, mac_override, mac_admin, syslog, wake_alarm, block_suspend, audit_read,
# perfmon, bpf, checkpoint_restore. The last that is dropped is setpcap, which dropping needs.
_DROPPED = (5, *range(10, 41), 8)

_LIBC = ctypes.CDLL(None, use_errno=True)


def give_up() -> None:
    """Give them up for this process and all that it starts. Raises OSError when it is refused."""
    header = ctypes.create_string_buffer(struct.pack("@Ii", _VERSION, 0))
    held = ctypes.create_string_buffer(24)  # twice: effective, permitted, inheritable
    if _LIBC.capget(header, held) != 0:
        raise OSError(ctypes.get_errno(), "capget was refused")
    words = struct.unpack("@6I", held.raw[:24])
    effective = words[0] | words[3] << 32
    if effective >> 8 & 1:  # or else nothing that it starts can get more than it has
        for number in _DROPPED:
            _LIBC.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
    kept = ~sum(1 << number for number in _DROPPED)
    low, high = kept & 0xFFFFFFFF, kept >> 32 & 0xFFFFFFFF
    data = struct.pack("@6I", *(w & low for w in words[:3]), *(w & high for w in words[3:]))
    if _LIBC.capset(header, ctypes.create_string_buffer(data, 24)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")
