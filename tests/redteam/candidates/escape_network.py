"""Opens connections to the world, to this machine, and to services on it."""
# expect: scored
# gate: refuses
# wall: sandbox

import socket

import honest

UNIX = ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "\0@RUN@")
PLACES = [
    (socket.AF_INET, ("192.0.2.1", 80)),
    (socket.AF_INET, ("169.254.169.254", 80)),
    (socket.AF_INET, ("127.0.0.1", int("@PORT@"))),
    (socket.AF_INET6, ("::1", int("@PORT@"))),
    *((socket.AF_UNIX, path) for path in UNIX),
]

for family, place in PLACES:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(place)
    except OSError:
        continue
    raise SystemExit(f"ESCAPED: connected to {place}")
