"""Has a name resolved: a question to a name server can carry data out."""
# expect: scored
# gate: refuses
# wall: sandbox

import socket

import honest

try:
    found = socket.getaddrinfo("example.com", 80)
except OSError:
    found = []
if found:
    raise SystemExit(f"ESCAPED: resolved {found[0]}")
