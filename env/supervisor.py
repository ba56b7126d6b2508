"""Runs one command under a deadline, and leaves nothing of it behind.

The engine starts one supervisor per trial and per scoring. Its stdin carries the order (one line
of JSON) and is then the lifeline: at end of file, for whatever reason, every descendant is
killed. Its stdout carries one JSON object per line. It trusts nothing that the command says: it
measures the clock itself, drains the output into a bounded log, and as child subreaper finds
whatever forked, daemonised or changed its session.

An order without a `config` starts a spare: a command that waits, ready, for the one task that it
will get. The config follows as another line, and only with it start-up, limits and clock begin.
Where the order says so, a trial that is ready is stopped until the line `go` starts its clock.
The line `abort` ends it early.

An order with an `output` is one to run a command target: nobody talks to it, it starts at once, and
what it prints is read (`output_scan.py`).

Standard library only.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from env import confine, pause, processes
from env.command_watch import CommandWatch
from env.dialogue import Dialogue
from env.log_tail import LogTail
from env.outbox import Outbox
from env.output_scan import OutputScan, PatternTooSlow
from env.reports import Reports
from env.watch import Watch

TICK_SECONDS = 0.1
PATTERN_SECONDS = 5.0  # of our own processor time, for 64 KiB of output
_FLAGS = {"r": os.O_RDONLY, "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC}


class Supervisor:
    """One command, from its start to the death of its last descendant."""

    def __init__(
        self, order: Mapping[str, Any], more: bytes, say: Callable[[dict[str, Any]], None]
    ) -> None:
        """`order` as written by `engine.orders`, and what of the next lines came with it.

        `say` sends one message to the engine.
        """
        self._order = order
        self._say = say
        self._log = LogTail(int(order["log_bytes"]))
        self._wait_status: int | None = None
        self.by_steps = order["clock"] is not None and order["clock"]["kind"] == "steps"
        self._reports = Reports(self.by_steps, self._pass_on)
        self._engine_said = more  # of lines that have not been read
        self._selector = selectors.DefaultSelector()
        self._watch: Watch
        self._dialogue: Dialogue | None = None
        self._scan: OutputScan | None = None
        if "output" in order:
            self._watch = watch = CommandWatch(order)
            self._scan = OutputScan(order["output"], lambda: watch.elapsed, self._take_printed)
            signal.signal(signal.SIGVTALRM, _too_slow)
        else:
            self._watch = Watch(order)
            self._dialogue = Dialogue(
                order, self._watch, self._reports, self._selector, self._pass_on
            )

    # -- the life of the command -------------------------------------------------------------

    def run(self) -> None:
        """Run the command; say `exit` when nothing of it is left. Raises OSError."""
        self._start()
        watch = self._watch
        while watch.verdict is None and self._wait_status is None:
            for key, mask in self._selector.select(TICK_SECONDS):
                key.data(mask)
            for ended in processes.reap():
                self._note(ended)
            if self._wait_status is None:
                watch.look()
            if watch.phase == "held":
                pause.pause()  # again and again: one that was being started may have slipped out
            self._reports.forward()
        self._end()

    def _start(self) -> None:
        order = self._order
        numbers: dict[str, int] = {}
        for name, (path, flags) in order["files"].items():
            numbers[f"{{{name}}}"] = os.open(path, _FLAGS[flags], 0o600)
        ours = list(numbers.values())
        if self._dialogue is not None:
            numbers["{channel}"] = self._dialogue.their_end
        self._child = subprocess.Popen(
            [str(numbers.get(part, part)) for part in order["argv"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=order["cwd"],
            env=dict(order["env"]),
            pass_fds=list(numbers.values()),
            start_new_session=True,
            preexec_fn=lambda: confine.confine(order["rlimits"]),
        )
        for number in ours:
            os.close(number)
        assert self._child.stdout is not None
        self._output = self._child.stdout.fileno()
        os.set_blocking(self._output, False)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._lifeline)
        self._selector.register(self._output, selectors.EVENT_READ, self._read_output)
        if self._dialogue is not None:
            self._dialogue.open()
        self._say({"type": "started", "pid": self._child.pid})
        if self._dialogue is None:
            self._watch.begin()
        elif "config" in order:
            self._begin(self._dialogue, order["config"])
        self._obey(b"")

    def _begin(self, dialogue: Dialogue, config: Mapping[str, Any]) -> None:
        """Give the command its task."""
        self._watch.begin()
        dialogue.give(config)

    def _end(self) -> None:
        """Kill what is left, take the last words, and report."""
        dialogue = self._dialogue
        if self._watch.verdict is None and dialogue is not None:
            self._drain(dialogue.read)  # it may have trained, and ended by itself at once
        for ended in processes.end_all():
            self._note(ended)
        self._drain(self._read_output)  # every writer is dead, so the pipes hold little
        if dialogue is not None:
            dialogue.end()
            self._drain(dialogue.read)
        self._look(b"\n")  # which ends a last line that has no end
        self._reports.forward(at_once=True)
        kind, reason = self._watch.verdict or ("exited", self._exit_reason())
        self._say(
            {
                "type": "exit",
                "kind": kind,
                "reason": reason,
                "clean": self._wait_status == 0 and self._watch.verdict is None,
                **self._watch.times(),
                "left": len(processes.descendants(os.getpid())),
                "log": self._log.text(),
                **(self._scan.found() if self._scan is not None else {}),
            }
        )

    @staticmethod
    def _drain(read: Callable[[], bool]) -> None:
        for _ in range(1024):
            if not read():
                return

    def _exit_reason(self) -> str:
        status = self._wait_status
        if status is None:
            return "it ended"
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            names = {int(s): s.name for s in signal.Signals}
            return f"it was killed by {names.get(number, f'signal {number}')}"
        return f"it exited with code {os.waitstatus_to_exitcode(status)}"

    def _note(self, ended: processes.Ended) -> None:
        self._watch.meter.note(ended)
        if ended.pid == self._child.pid and self._wait_status is None:
            self._wait_status = ended.status

    # -- what it hears -----------------------------------------------------------------------

    def _lifeline(self, mask: int) -> None:
        block = os.read(sys.stdin.fileno(), 1 << 16)
        if not block:
            self._watch.stop("interrupted", "the engine ended it")
        self._obey(block)

    def _obey(self, block: bytes) -> None:
        """Do what the complete lines say."""
        *lines, self._engine_said = (self._engine_said + block).split(b"\n")
        for line in lines:
            message = json.loads(line)
            dialogue, phase = self._dialogue, self._watch.phase
            if "config" in message and phase == "waiting" and dialogue is not None:
                self._begin(dialogue, message["config"])
            elif message.get("type") == "go" and phase == "held" and dialogue is not None:
                dialogue.go()
            elif message.get("type") == "abort":
                self._watch.abort()

    def _read_output(self, mask: int = 0) -> bool:
        """Take a block of its output; False when there is none now, or none any more."""
        try:
            block = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return False
        self._log.write(block)
        self._look(block)
        if not block and self._output in self._selector.get_map():
            self._selector.unregister(self._output)
        return bool(block)

    def _look(self, block: bytes) -> None:
        """Search the output. A pattern that may search for ever must not outlast the deadline."""
        if self._scan is None:
            return
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, PATTERN_SECONDS)
            try:
                self._scan.write(block)
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        except PatternTooSlow as error:
            self._scan = None
            self._watch.stop("crash", str(error))

    def _take_printed(self, body: dict[str, Any]) -> None:
        """Take what the output of a command says about its progress."""
        if body["type"] == "report":
            self._reports.take(body)
        else:
            self._watch.ready()
            self._pass_on(body)

    # -- what it passes on -------------------------------------------------------------------

    def _pass_on(self, body: dict[str, Any]) -> None:
        self._say({"type": "message", "body": body})


def _too_slow(*_: object) -> None:
    raise PatternTooSlow("a pattern of arl.toml searches its output for too long: make it simpler")


def main() -> None:
    """Read an order from stdin, carry it out."""
    confine.outlive_signals()  # only the lifeline ends it: it must not orphan what it watches
    confine.become_subreaper()
    confine.hide()
    said = bytearray()
    while b"\n" not in said:
        block = os.read(0, 1 << 16)
        if not block:
            return
        said += block
    order, _, more = bytes(said).partition(b"\n")

    outbox = Outbox(1)
    try:
        supervisor = Supervisor(json.loads(order), more, outbox.put)
        outbox.drops_reports = not supervisor.by_steps
        supervisor.run()
    except Exception as error:  # whatever went wrong, nothing may be left behind
        processes.end_all()
        reason = f"the command could not be run: {type(error).__name__}: {error}"
        outbox.put({"type": "failed", "reason": reason})
    outbox.flush(seconds=30.0)


if __name__ == "__main__":
    main()
