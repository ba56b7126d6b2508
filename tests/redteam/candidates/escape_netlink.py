"""Asks the kernel for the network's interfaces, and makes raw and packet sockets."""
# expect: scored
# gate: refuses
# wall: sandbox

import socket

import honest

KINDS = [
    (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    (socket.AF_PACKET, socket.SOCK_RAW, 0),
]

for kind in KINDS:
    try:
        socket.socket(*kind).close()
    except OSError:
        continue
    raise SystemExit(f"ESCAPED: has a socket {kind}")
try:
    names = [name for _, name in socket.if_nameindex()]
except OSError:
    names = []
if set(names) - {"lo"}:
    raise SystemExit(f"ESCAPED: sees the interfaces {names}")
