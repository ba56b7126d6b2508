"""Candidates through the real executor: how each of them ends."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from engine.executor import TrialResult

if TYPE_CHECKING:
    from conftest import Trials

pytestmark = pytest.mark.anyio

MODEL = """\
import os, sys, time
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, vocab_size)

    def forward(self, idx):
        return self.embedding(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)


def train(model, run):
    for step, (x, y) in enumerate(run.batches(8)):
        run.report(step, 5.0)
"""


def changed(text: str, *changes: tuple[str, str]) -> str:
    """A source with some of its text replaced."""
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def training(body: str) -> str:
    """A candidate whose `train` does something else."""
    return (
        MODEL[: MODEL.index("def train")]
        + f"def train(model, run):\n{textwrap.indent(body, '    ')}"
    )


async def two_at_a_time(*trials: Coroutine[Any, Any, TrialResult]) -> list[TrialResult]:
    """The results of trials, in their order; most of a small one is imports on one core."""
    at_once = anyio.CapacityLimiter(2)
    found: dict[int, TrialResult] = {}

    async def run(number: int, trial: Coroutine[Any, Any, TrialResult]) -> None:
        async with at_once:
            found[number] = await trial

    async with anyio.create_task_group() as tasks:
        for number, trial in enumerate(trials):
            tasks.start_soon(run, number, trial)
    return [found[number] for number in range(len(trials))]


async def test_a_good_candidate_scores_the_same_twice_with_sandbox_and_without(
    trials: Trials, tiny_candidate: str
) -> None:
    phases: list[str] = []
    results = await two_at_a_time(
        trials.run(tiny_candidate, budget=50, on_phase=phases.append),
        trials.run(tiny_candidate, budget=50, sandbox="off", sealed=True),
        trials.run(tiny_candidate, budget=50, sandbox="locks"),
    )
    assert [result.status for result in results] == ["scored"] * 3, results
    assert phases == ["starting", "training", "scoring"]
    first = results[0]
    assert first.val_bpb is not None
    assert 0 < first.val_bpb < 8
    assert {result.val_bpb for result in results} == {first.val_bpb}
    sealed = results[1].sealed_bpb
    assert sealed is not None
    assert sealed != first.val_bpb
    assert abs(sealed - first.val_bpb) < 1
    assert first.sealed_bpb is None
    assert (first.steps, first.seconds) == (50, 50.0)
    assert first.curve[-1].step == 49
    assert first.curve[-1].progress == 1.0
    assert first.curve[-1].loss < first.curve[0].loss
    assert not list(trials.scratch.iterdir())
    assert not trials.left()


FAILS_IN_TRAINING = {
    "exception": (
        training("y = 1\nraise ValueError('no\\nsuch thing')\n"),
        ("crash", r"ValueError: no such thing \(line 21\)"),
    ),
    "os._exit": (
        training("next(iter(run.batches(4)))\nos._exit(0)\n"),
        ("crash", "it ended without handing in weights"),
    ),
    "no batch": (training("pass\n"), ("crash", r"train\(\) returned without taking a batch")),
    "syntax": ("x = (\n", ("crash", r"SyntaxError: .*train\.py, line 1\)")),
}
LOGITS = "return self.embedding(idx)"
LAST = "5.0)\n"
FAILS_IN_SCORING = {
    "shape": (
        changed(MODEL, (LOGITS, f"{LOGITS}[:, :-1]")),
        (
            "crash",
            r"while being scored: forward must return logits of shape \(\d+, 32, \d+\), not "
            r"\(\d+, 31, \d+\)",
        ),
    ),
    "other weights": (
        changed(MODEL, (LAST, f"{LAST}    model.extra = nn.Linear(2, 2)\n")),
        (
            "crash",
            r"while being scored: RuntimeError: Error\(s\) in loading state_dict for Model: "
            r'Unexpected key.*"extra\.weight".*',
        ),
    ),
    "sees the future": (
        changed(
            MODEL,
            (
                LOGITS,
                f"{LOGITS} + 9 * nn.functional.one_hot("
                "idx.roll(-1, 1), self.embedding.num_embeddings)",
            ),
        ),
        ("invalid", "its predictions depend on later tokens"),
    ),
}
# Other tests cover these too, with parts of the whole.
FAILS_MORE = {
    "exit": (training("sys.exit(0)\n"), ("crash", r"SystemExit: 0 \(line 20\)")),
    "no model": (
        changed(MODEL, ("return Model(vocab_size)", "return 'a model'")),
        ("invalid", r"build_model must return a torch\.nn\.Module, not str"),
    ),
    "segfault": (
        training("import ctypes\nctypes.string_at(0)\n"),
        ("crash", "it exited with code 139|it was killed by SIGSEGV"),
    ),
    "nan loss": (
        changed(MODEL, ("step, 5.0", "step, torch.tensor(5.0) * torch.nan")),
        ("crash", "the loss became nan at step 0"),
    ),
    "no train": (
        changed(MODEL, ("def train(", "def trian(")),
        ("invalid", "the script must define train"),
    ),
    "odd exception": (
        training("class E(BaseException): pass\nraise E('\\ud800')\n"),
        ("crash", r"E: \? \(line 21\)"),
    ),
    "not finite": (
        changed(MODEL, (LOGITS, f"{LOGITS} / 0")),
        ("crash", "while being scored: the model's logits are not finite"),
    ),
    "nan weights": (
        changed(MODEL, (LAST, f"{LAST}    model.embedding.weight.data[3] = torch.nan\n")),
        ("crash", r"its weights are not finite \(embedding\.weight\)"),
    ),
    "leaves": (
        changed(MODEL, (LOGITS, "os._exit(0)")),
        ("crash", "the model process ended while it was being scored"),
    ),
}


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(FAILS_IN_TRAINING, id="training"),
        pytest.param(FAILS_IN_SCORING, id="scoring"),
        pytest.param(FAILS_MORE, id="more", marks=pytest.mark.soak),
    ],
)
async def test_a_candidate_that_fails_says_why_in_a_sentence(
    trials: Trials, cases: dict[str, tuple[str, tuple[str, str]]]
) -> None:
    results = await two_at_a_time(*(trials.run(source) for source, _ in cases.values()))
    for (name, (_, (status, reason))), result in zip(cases.items(), results, strict=True):
        assert (result.status, result.val_bpb) == (status, None), (name, result)
        assert re.fullmatch(reason, result.reason), (name, result)
    assert not trials.left()


FORGERY = """\
import gc, json, socket
lines = [
    {"type": "scored", "val_bpb": 0.0, "nats": 0.0, "bytes": 1, "seconds": 0.1},
    {"type": "exit", "kind": "exited", "clean": True},
    {"type": "message", "body": {"type": "scored", "val_bpb": 0.0, "nats": 0.0, "bytes": 1}},
    {"type": "report", "step": 10**30, "loss": -1e400, "progress": 7},
    {"type": "saved", "peak_memory_mb": "many"},
]
text = "".join(json.dumps(line) + "\\n" for line in lines).encode()
print(text.decode())
for entry in os.listdir("/proc/self/fd"):
    try:
        os.write(int(entry), text)
    except OSError:
        pass
for thing in gc.get_objects():
    if isinstance(thing, socket.socket):
        thing.sendall(text)
        thing.sendall(b'{"type": "trained", "seconds": 1, "steps": 5}\\n{"type": "saved"')
"""


async def test_forged_messages_gain_nothing(trials: Trials) -> None:
    honest = changed(MODEL, ("    for step", textwrap.indent(FORGERY, "    ") + "    for step"))
    crashed, forged = await two_at_a_time(trials.run(training(FORGERY)), trials.run(honest))
    assert (crashed.status, crashed.val_bpb) == ("crash", None)
    assert forged.val_bpb != 0.0
    assert not trials.left()


async def test_junk_on_the_channel_ends_the_trial(trials: Trials) -> None:
    nested = "import gc, socket\nfor s in gc.get_objects():\n    if isinstance(s, socket.socket):\n"
    cases = (
        ("b'[' * 60000 + b'\\n'", "it wrote something that is no message to the harness"),
        ("b'x' * 200000", "it sent a message of more than 64 KiB to the harness"),
    )
    bodies = [f"{nested}        s.sendall({junk})\ntime.sleep(60)\n" for junk, _ in cases]
    results = await two_at_a_time(*(trials.run(training(body)) for body in bodies))
    for (_, reason), result in zip(cases, results, strict=True):
        assert (result.status, result.reason) == ("crash", reason)
    assert not trials.left()


@pytest.mark.soak
async def test_a_cancelled_job_is_interrupted_in_every_phase(trials: Trials) -> None:
    slow = changed(MODEL, ("report(step, 5.0)", "report(step, 5.0); time.sleep(0.1)"))
    for phase in ("starting", "training", "scoring"):
        source = MODEL if phase == "scoring" else slow
        result = await trials.run(source, cancel_in=phase)
        assert result.status == "interrupted"
        assert not trials.left()
        assert not list(trials.scratch.iterdir())


async def test_an_aborted_trial_ends_at_once_and_what_it_used_is_known(trials: Trials) -> None:
    slow = changed(MODEL, ("report(step, 5.0)", "report(step, 5.0); time.sleep(0.01)"))
    result = await trials.run(slow, clock="wall", budget=60, abort_at=5)
    assert (result.status, result.reason) == ("abort", "hopeless")
    assert result.val_bpb is None
    assert 0.05 < result.seconds < 30
    assert result.steps >= 5
    assert result.peak_memory_mb
    assert not trials.left()
    assert not list(trials.scratch.iterdir())


@pytest.mark.parametrize("layers", ["auto", "locks"])
async def test_a_trial_cannot_see_the_study_or_the_network(trials: Trials, layers: str) -> None:
    from env.sandbox import detect

    lacking = detect("auto").missing
    if "bubblewrap" in lacking if layers == "auto" else lacking and lacking != ("bubblewrap",):
        pytest.skip(f"no {', '.join(lacking)} here")
    body = f"""\
import socket, sympy
seen = []


def tried(what, *arguments):
    try:
        what(*arguments)
        seen.append(arguments)
    except (OSError, StopIteration):
        pass


tests = os.path.join(os.path.dirname(sympy.__file__), "core", "tests")
for path in ({str(trials.environment.val)!r}, {__file__!r}, "/etc/shadow", tests + "/test_arit.py"):
    tried(open, path)
tried(lambda folder: next(os.scandir(folder)), "/home")
for folder in ("/", "/dev", "/usr", os.path.dirname(torch.__file__), tests, "/proc/sys/kernel"):
    tried(open, os.path.join(folder, "new"), "w")
tried(open, "/proc/sys/kernel/core_pattern", "w")
tried(socket.create_connection, ("192.0.2.1", 80), 1)
seen += [name for name in os.environ if "SECRET" in name]
open("/dev/null", "w").write("x")
open(os.environ["TMPDIR"] + "/x", "w").write("x")
raise ValueError(f"saw {{seen}}")
"""
    result = await trials.run(training(body), sandbox=layers)
    assert result.reason.startswith("ValueError: saw []"), result.reason
