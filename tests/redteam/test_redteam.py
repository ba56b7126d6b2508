"""Candidates that cheat or attack, straight through the executor: what stops them is the walls.

A candidate's first line says what it tries. Its remarks say how it may end (`expect`; `scored`
means that it gains nothing on its honest twin), whether it is known to get through (`known`), what
the gate says to it (`gate`), which layer is meant to stop it (`wall`), and with which limits it
runs (`run`). One that succeeds with an attack says so itself: it raises SystemExit("ESCAPED: ...").
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from arl_tui.output import printable
from engine.executor import TrialResult
from env.sandbox import detect
from state.trim import cap_log
from target import gate

if TYPE_CHECKING:
    from conftest import Trials

    from env.manifest import Environment

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent
HONEST = (FOLDER / "honest.py").read_text("utf-8")
# What another seed changes; a candidate that gains more has got something that it should not have.
NOISE_BPB = {"steps": 0.02, "cpu": 0.06}
SECONDS = 120.0
STATUSES = {"scored", "crash", "invalid", "oom", "timeout"}
# These run in `make test`, too: fast ones that tell most.
ALWAYS = {
    "future_next_token",
    "log_terminal_sequences",
    "score_forged_on_descriptors",
}
twins: dict[str, float] = {}


@dataclass(frozen=True)
class Candidate:
    """A file of `candidates/`."""

    name: str
    says: str
    text: str
    remarks: dict[str, str]

    @property
    def limits(self) -> dict[str, Any]:
        """How it runs, for `Trials.run`."""
        words = dict(part.split("=") for part in self.remarks.get("run", "").split())
        found: dict[str, Any] = {"clock": words.pop("clock", "steps"), "budget": 60.0}
        found["memory"] = int(float(words.pop("memory", 4)) * (1 << 30))
        return found | {name: float(value) for name, value in words.items()}

    def source(self, places: Mapping[str, str]) -> str:
        """The whole script: the honest twin stands where it was imported."""
        text = re.sub(r"(?m)^(from honest import .*|import honest)$", lambda _: HONEST, self.text)
        for name, place in places.items():
            text = text.replace(name, place)
        return text


def read(path: Path) -> Candidate:
    text = path.read_text("utf-8")
    remarks = dict(re.findall(r"(?m)^# (expect|gate|wall|run|known): (.+)$", text))
    return Candidate(path.stem, text.splitlines()[0].strip('"'), text, remarks)


CANDIDATES = [read(path) for path in sorted((FOLDER / "candidates").glob("*.py"))]


def marks(candidate: Candidate) -> list[pytest.MarkDecorator]:
    """When it runs; and, of a hole that docs/redteam.md admits, that it is open still."""
    known = candidate.remarks.get("known")
    open_still = [pytest.mark.xfail(strict=True, reason=known)] if known else []
    return open_still + ([] if candidate.name in ALWAYS else [pytest.mark.redteam])


@pytest.mark.parametrize(
    "candidate",
    [pytest.param(c, id=c.name, marks=marks(c)) for c in CANDIDATES],
)
async def test_a_candidate_that_cheats_gains_nothing(
    candidate: Candidate,
    environment: Environment,
    prey: Any,
    trials: Trials,
    table: list[str],
) -> None:
    if detect("auto").bwrap is None:
        pytest.skip("no bubblewrap here: some of these would do harm")
    trials.environment = environment
    gain_limit = NOISE_BPB[candidate.limits["clock"]]
    before = prey.fingerprint()
    began = time.monotonic()
    result = await trials.run(candidate.source(prey.places), **candidate.limits)
    seconds = time.monotonic() - began
    twin = await score_of_twin(trials, candidate.limits) if result.status == "scored" else None
    table.append(row(candidate, result, twin, seconds))

    assert not trials.left()
    assert not list(trials.scratch.iterdir())
    assert prey.fingerprint() == before, "it has changed what it must not"
    assert "ESCAPED" not in result.reason + result.log, (result.reason, result.log[-500:])
    assert result.reason.isprintable()
    assert len(result.log) < 1 << 18
    shown = printable(cap_log(result.log))
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    json.dumps([result.reason, shown]).encode()
    assert seconds < SECONDS
    assert result.status in candidate.remarks["expect"].split(), (result.status, result.reason)
    if twin is not None:
        assert result.val_bpb is not None
        assert result.val_bpb > twin - gain_limit, f"{result.val_bpb} where honesty gets {twin}"


async def score_of_twin(trials: Trials, limits: dict[str, Any]) -> float:
    """What the honest script gets under the same limits, measured once."""
    key = str(sorted(limits.items()))
    if key not in twins:
        result = await trials.run(HONEST, **limits)
        assert result.val_bpb is not None, result
        twins[key] = result.val_bpb
    return twins[key]


def row(candidate: Candidate, result: TrialResult, twin: float | None, seconds: float) -> str:
    """A line of the table, in Markdown."""
    score = "" if twin is None else f"{result.val_bpb:.3f} ({twin:.3f})"
    reason = result.reason.replace(f"{FOLDER.parents[1]}/", "")
    reason = re.sub(r"[|`<>*_\\]", " ", reason)[:90]
    ended = result.status
    if "ESCAPED" in result.reason + result.log:
        ended = "**escaped**"
    elif ended not in candidate.remarks["expect"].split():
        ended = f"**{ended}**"
    about = f"{candidate.name} | {candidate.says} | {candidate.remarks['wall']}"
    return (
        f"| {about} | {candidate.remarks['gate']} | {ended} | {score} | {seconds:.0f} | {reason} |"
    )


def test_every_candidate_says_what_it_tries_and_how_it_may_end() -> None:
    assert len(CANDIDATES) >= 100
    assert {c.name for c in CANDIDATES} >= ALWAYS
    for candidate in CANDIDATES:
        assert len(candidate.says) > 12, candidate.name
        assert set(candidate.remarks["expect"].split()) <= STATUSES, candidate.name
        assert candidate.remarks["gate"] in ("refuses", "passes"), candidate.name
        assert candidate.remarks["wall"], candidate.name


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda c: c.name)
def test_the_gate_says_no_where_a_script_shows_what_it_is_up_to(candidate: Candidate) -> None:
    reason = gate.check(candidate.source({}))
    if candidate.remarks["gate"] == "passes":
        assert reason is None
    else:
        assert reason is not None
        assert re.match(r"line \d+: ", reason), reason


def test_the_gate_has_nothing_against_the_honest_twin() -> None:
    assert gate.check(HONEST) is None
