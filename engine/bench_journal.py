"""The file that an interrupted bench goes on from: one JSON line for each finished part.

The first line names the conditions; `study` lines are finished studies of a policy; `trial` lines
are a policy's single experiments of real training, and `run` lines those that belong to no policy
(baselines, confirmations). Each line reaches the disk before the bench goes on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import policy
import target
from engine.epochs import EpochChanged
from engine.policy_bench import BenchError, StudyRecord
from policy import Outcome, PolicyError, Proposal
from policy.search import digest

_VERSION = 1


@dataclass(frozen=True)
class Trial:
    """An experiment of a policy that has been run."""

    proposal: Proposal
    outcome: Outcome
    ask_seconds: float


class Journal:
    """What has been run; with a path, kept in that file. Hold it in a `with`."""

    def __init__(self, path: Path | None, conditions: Mapping[str, Any]) -> None:
        """Read the file, or begin it. Raises BenchError, and EpochChanged for other conditions."""
        self.warning = ""  # for the person, when there is one
        self._file = -1
        self._studies: dict[tuple[object, ...], StudyRecord] = {}
        self._trials: dict[tuple[str, int, int], Trial] = {}
        self._runs: dict[tuple[int, int, str], Outcome] = {}
        if path is None:
            return
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(path, dict(conditions))
        except BlockingIOError:
            self.close()
            raise BenchError(f"{path} is in use by another bench.") from None
        except OSError as error:
            self.close()
            raise BenchError(f"{path} cannot be used: {error.strerror}.") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def study(
        self, label: str, problem: str, seed: int, experiments: int, reruns: int = 0
    ) -> StudyRecord | None:
        """The finished study of a policy, if there is one of that length."""
        return self._studies.get((label, problem, seed, experiments, reruns))

    def trial(self, label: str, seed: int, number: int) -> Trial | None:
        """A policy's experiment, if it has been run."""
        return self._trials.get((label, seed, number))

    def outcome(self, seed: int, number: int, source: str) -> Outcome | None:
        """The run of a source that belongs to no policy, if there was one."""
        return self._runs.get((seed, number, digest(source)))

    def add_study(self, record: StudyRecord) -> None:
        """Note a finished study."""
        self._add({"kind": "study", **asdict(record)})

    def add_trial(self, label: str, seed: int, number: int, trial: Trial) -> None:
        """Note a policy's experiment."""
        self._add(
            {
                "kind": "trial",
                "policy": label,
                "seed": seed,
                "number": number,
                "ask_seconds": trial.ask_seconds,
                "outcome": asdict(trial.outcome),
                "proposal": trial.proposal.to_record(),
            }
        )

    def add_outcome(self, seed: int, number: int, source: str, outcome: Outcome) -> None:
        """Note a run that belongs to no policy."""
        self._add(
            {
                "kind": "run",
                "seed": seed,
                "number": number,
                "source": digest(source),
                "outcome": asdict(outcome),
            }
        )

    def _add(self, line: dict[str, Any]) -> None:
        self._take(line)
        self._write(line)

    def _take(self, line: Mapping[str, Any]) -> None:
        body = dict(line)
        kind = body.pop("kind")
        if kind == "study":
            body |= {"curve": tuple(body["curve"]), "confirmed": tuple(body["confirmed"])}
            record = StudyRecord(**body)
            length = len(record.curve) - 1
            key = (record.policy, record.problem, record.seed, length, record.reruns)
            self._studies[key] = record
        elif kind == "trial":
            proposal = Proposal.from_record(body["proposal"])
            trial = Trial(proposal, Outcome(**body["outcome"]), body["ask_seconds"])
            self._trials[body["policy"], body["seed"], body["number"]] = trial
        elif kind == "run":
            outcome = Outcome(**body["outcome"])
            self._runs[body["seed"], body["number"], body["source"]] = outcome
        else:
            raise ValueError(kind)

    def _read(self, path: Path, conditions: dict[str, Any]) -> None:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1  # a kill may have cut the last line
        if whole < len(content) and (whole or content.lstrip()[:1] == b"{"):
            os.ftruncate(self._file, whole)
        elif whole < len(content):
            raise BenchError(f"{path} is not the resume file of a bench.")
        lines = content[:whole].splitlines()
        if not lines:
            head = {"kind": "bench", "version": _VERSION, "code": code_digest()}
            self._write(head | {"conditions": conditions})
            return
        self._check(path, lines[0], conditions)
        for number, line in enumerate(lines[1:], start=2):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, PolicyError) as error:
                raise BenchError(f"{path} cannot be read: line {number} is broken.") from error

    def _check(self, path: Path, line: bytes, conditions: dict[str, Any]) -> None:
        try:
            head = json.loads(line)
            version, before, code = head["version"], dict(head["conditions"]), head["code"]
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"{path} is not the resume file of a bench.") from error
        if version != _VERSION:
            raise BenchError(f"{path} is of another version of the bench ({version}).")
        now = json.loads(json.dumps(conditions))
        changes = [
            f"{key} was {before.get(key)} and is {now.get(key)}"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key)
        ]
        if changes:
            raise EpochChanged(
                f"The results in {path} would not be comparable with new ones: "
                f"{'; '.join(changes)}. Restore that, or use another --resume-file."
            )
        if code != code_digest():
            self.warning = (
                f"{path} was begun with other code in policy/ or target/: "
                "what it has is used as it is."
            )

    def _write(self, line: dict[str, Any]) -> None:
        if self._file < 0:
            return
        data = json.dumps(line).encode() + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)


def code_digest() -> str:
    """The name of the code that proposes: every file of the rooms policy and target."""
    total = hashlib.sha256()
    for room in (policy, target):
        folder = Path(str(room.__file__)).parent
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(folder.parent)}\0".encode())
                total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
