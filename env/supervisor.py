"""Runs one command under a deadline, and leaves nothing of it behind.

The engine starts one supervisor per trial and per scoring. Its stdin carries the order (one line
of JSON) and is then the lifeline: at end of file, for whatever reason, every descendant is
killed. Its stdout carries one JSON object per line. It trusts nothing that the command says: it
measures the clock itself, drains the output into a bounded log, and as child subreaper finds
whatever forked, daemonised or changed its session.

Standard library only.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from env import processes
from env.log_tail import LogTail
from env.outbox import Outbox

LINE_BYTES = 1 << 16  # the longest message that a command may send
REPORT_SECONDS = 0.1  # the shortest time between two forwarded reports
TICK_SECONDS = 0.1


class Supervisor:
    """One command, from its start to the death of its last descendant."""

    def __init__(self, order: Mapping[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        """`order` as written by `engine.orders`; `say` sends one message to the engine."""
        self.order = order
        self.say = say
        self.log = LogTail(int(order["log_bytes"]))
        self.phase = "startup"  # then, for a trial: training, finishing
        self.began = time.monotonic()
        self.phase_began = self.began
        self.cpu_reaped = 0.0
        self.cpu_start = 0.0
        self.clock_seconds = 0.0
        self.startup_seconds = 0.0
        self.train_wall_seconds = 0.0
        self.peak_memory = 0
        self.verdict: tuple[str, str] | None = None
        self.wait_status: int | None = None
        self.last_report = self.last_look = -1.0
        self.pending = b""
        self.selector = selectors.DefaultSelector()

    # -- the life of the command -------------------------------------------------------------

    def run(self) -> None:
        """Run the command; say `exit` when nothing of it is left."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.channel = ours
        passed = [theirs.fileno()]
        names = {"channel": theirs.fileno()}
        opened: list[int] = []
        for name, (path, flags) in self.order["files"].items():
            number = os.open(path, _FLAGS[flags], 0o600)
            opened.append(number)
            passed.append(number)
            names[name] = number
        numbers = {f"{{{name}}}": str(number) for name, number in names.items()}
        argv = [numbers.get(part, part) for part in self.order["argv"]]
        self.child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.order["cwd"],
            env=dict(self.order["env"]),
            pass_fds=passed,
            start_new_session=True,
            preexec_fn=lambda: processes.confine(self.order["rlimits"]),
        )
        theirs.close()
        for number in opened:
            os.close(number)
        assert self.child.stdout is not None
        os.set_blocking(self.child.stdout.fileno(), False)
        ours.setblocking(False)
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._lifeline)
        self.selector.register(self.child.stdout.fileno(), selectors.EVENT_READ, self._output)
        self.selector.register(ours, selectors.EVENT_READ, self._message)
        self._send({"type": "order", **self.order["config"]})
        self.say({"type": "started", "pid": self.child.pid})
        while self.verdict is None and self.wait_status is None:
            for key, _ in self.selector.select(TICK_SECONDS):
                key.data()
            self._reap()
            self._look()
        self._end()

    def _end(self) -> None:
        """Kill what is left, take the last words, and report."""
        for ended in processes.end_all(os.getpid()):
            self._note(ended)
        self._drain()
        left = len(processes.descendants(os.getpid()))
        kind, reason = self.verdict or ("exited", self._exit_reason())
        self.say(
            {
                "type": "exit",
                "kind": kind,
                "reason": reason,
                "clean": self.wait_status == 0 and self.verdict is None,
                "startup_seconds": round(self.startup_seconds, 3),
                "wall_seconds": round(self.train_wall_seconds, 3),
                "clock_seconds": round(self.clock_seconds, 3),
                "total_seconds": round(time.monotonic() - self.began, 3),
                "peak_memory_mb": round(self.peak_memory / 2**20, 1),
                "left": left,
                "log": self.log.text(),
            }
        )

    def _exit_reason(self) -> str:
        status = self.wait_status
        if status is None:
            return "it ended"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            names = {int(s): s.name for s in signal.Signals}
            return f"it was killed by {names.get(number, f'signal {number}')}"
        return f"it exited with code {os.waitstatus_to_exitcode(status)}"

    # -- what it says ------------------------------------------------------------------------

    def _lifeline(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            self._stop("interrupted", "the engine ended it")

    def _output(self) -> None:
        assert self.child.stdout is not None
        try:
            block = os.read(self.child.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return
        if block:
            self.log.write(block)
        else:
            self.selector.unregister(self.child.stdout.fileno())

    def _message(self) -> None:
        try:
            block = self.channel.recv(LINE_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            block = b""
        if not block:
            self.selector.unregister(self.channel)
            return
        *lines, self.pending = (self.pending + block).split(b"\n")
        if len(self.pending) > LINE_BYTES:
            self._stop("crash", "it sent a message longer than 64 KiB to the harness's channel")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            body = json.loads(line)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self._stop("crash", "it wrote something else than a message to the harness's channel")
            return
        now = time.monotonic()
        kind = body.get("type")
        if kind == "ready" and self.phase == "startup" and self.order["clock"] is not None:
            self._go(now)
        elif kind == "trained" and self.phase == "training":
            self._measure(now)
            self.train_wall_seconds = now - self.phase_began
            self.phase, self.phase_began = "finishing", now
            self.say({"type": "message", "body": body})
        elif kind == "report":
            # A flood of reports must not become the engine's work.
            if now - self.last_report >= REPORT_SECONDS and isinstance(body.get("step"), int):
                self.last_report = now
                self.say({"type": "message", "body": body})
        elif kind not in ("ready", "trained"):
            self.say({"type": "message", "body": body})

    def _go(self, now: float) -> None:
        """Start the clock, and only then hand over the training data."""
        self.startup_seconds = now - self.began
        self.cpu_start = self._cpu_seconds()
        self.phase, self.phase_began = "training", time.monotonic()
        data = os.open(self.order["train"], os.O_RDONLY)
        try:
            self.channel.setblocking(True)
            socket.send_fds(self.channel, [b'{"type": "go"}\n'], [data])
        except OSError:
            pass  # it is gone; the next look sees that
        finally:
            self.channel.setblocking(False)
            os.close(data)
        self.say({"type": "message", "body": {"type": "ready"}})

    def _send(self, body: dict[str, Any]) -> None:
        self.channel.setblocking(True)
        try:
            self.channel.sendall(json.dumps(body).encode() + b"\n")
        except OSError:
            pass  # it ended at once; the next look sees that
        finally:
            self.channel.setblocking(False)

    # -- what it does ------------------------------------------------------------------------

    def _look(self) -> None:
        """Hold the command against its limits."""
        now = time.monotonic()
        if now - self.last_look < TICK_SECONDS or self.wait_status is not None:
            return
        self.last_look = now
        order = self.order
        used = processes.usage(processes.descendants(os.getpid()))
        self.peak_memory = max(self.peak_memory, used.memory_bytes)
        if used.memory_bytes > order["memory_bytes"]:
            limit = order["memory_bytes"] / 2**30
            self._stop("oom", f"it used more than {limit:.1f} GiB of memory")
        if used.processes > order["max_processes"]:
            self._stop("crash", f"it started more than {order['max_processes']} processes")
        waited = now - self.phase_began
        if self.phase == "startup" and waited > order["startup_seconds"]:
            self._stop("timeout", f"it did not get ready within {order['startup_seconds']:g} s")
        elif self.phase == "finishing" and waited > order["finish_seconds"]:
            self._stop("timeout", f"it took over {order['finish_seconds']:g} s to hand in weights")
        elif self.phase == "training":
            self._measure(now)
            clock = order["clock"]
            if waited > order["wall_cap"]:
                self._stop("timeout", f"it ran over its wall cap of {order['wall_cap']:g} s")
            elif clock["kind"] != "steps" and self.clock_seconds > clock["limit"]:
                self._stop(
                    "timeout",
                    f"it trained past its budget of {clock['budget']:g} s "
                    f"({self.clock_seconds:.1f} s on the {clock['kind']} clock)",
                )

    def _measure(self, now: float) -> None:
        wall = now - self.phase_began
        self.train_wall_seconds = wall
        kind = self.order["clock"]["kind"]
        self.clock_seconds = self._cpu_seconds() - self.cpu_start if kind == "cpu" else wall

    def _cpu_seconds(self) -> float:
        return self.cpu_reaped + processes.usage(processes.descendants(os.getpid())).cpu_seconds

    def _reap(self) -> None:
        for ended in processes.reap():
            self._note(ended)

    def _note(self, ended: processes.Ended) -> None:
        self.cpu_reaped += ended.cpu_seconds
        if ended.pid == self.child.pid and self.wait_status is None:
            self.wait_status = ended.status

    def _drain(self) -> None:
        """Read what the pipes still hold; every writer is dead by now."""
        for action in (self._output, self._message):
            for _ in range(1024):
                before = len(self.selector.get_map())
                if not any(key.data == action for key, _ in self.selector.select(0)):
                    break
                action()
                if len(self.selector.get_map()) < before:
                    break

    def _stop(self, kind: str, reason: str) -> None:
        if self.verdict is None:
            self.verdict = (kind, reason)


_FLAGS = {"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC}


def main() -> None:
    """Read an order from stdin, carry it out."""
    # Only the lifeline ends a supervisor: a stray signal must not orphan what it watches.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    processes.become_subreaper()
    line = bytearray()
    while not line.endswith(b"\n"):
        block = os.read(0, 1 << 16)
        if not block:
            return
        line += block

    outbox = Outbox(1)
    supervisor = Supervisor(json.loads(line), outbox.put)
    try:
        supervisor.run()
    except (OSError, subprocess.SubprocessError) as error:
        processes.end_all(os.getpid())
        outbox.put({"type": "failed", "reason": f"the command could not be started: {error}"})
    outbox.flush(seconds=30.0)


if __name__ == "__main__":
    main()
