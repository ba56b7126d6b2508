"""The allowlist: honest scripts of many styles pass, and what reaches further is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from target import allowlist, gate, shipped
from target.edit import Edit, apply, change
from target.lattice import values
from target.sites import find_sites

HONEST = sorted(Path(__file__).with_name("honest").glob("*.txt"))
HEAD = """\
import torch, os, gc, inspect, operator, random
import torch.nn.functional as F
import numpy as np
from torch import nn

"""
ENDS = "\n\ndef build_model(vocab_size, seq_len): ...\n\n\ndef train(model, run): ...\n"


def first(body: str) -> str | None:
    """What is said about a script with this body, without the line."""
    said = allowlist.check(HEAD + body + ENDS)
    return None if said is None else said.partition(": ")[2]


@pytest.mark.parametrize("path", HONEST, ids=lambda path: path.stem)
def test_honest_scripts_pass(path: Path) -> None:
    text = path.read_text("utf-8")
    assert gate.check(text) is None
    assert gate.check(text, parent=text) is None


def test_every_edit_of_the_shipped_script_passes() -> None:
    source = shipped.read()
    assert gate.check(source) is None
    edits = [(s, value) for s in find_sites(source) for value in values(s)[-3:] if value != s.value]
    assert {site.kind for site, _ in edits} >= {"structure", "int", "float"}
    for site, value in edits:
        candidate = apply(Edit((change(site, value),)), source)
        assert allowlist.check(candidate, source) is None, (site.id, value)
        assert allowlist.check(candidate) is None, (site.id, value)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import socket", "imports socket: a candidate has no network; allowed are torch, numpy"),
        ("import urllib.request as r", "imports urllib.request: a candidate has no network"),
        ("from subprocess import run", "imports subprocess: a candidate is one process"),
        ("def f():\n    import threading", "imports threading: a candidate is one process"),
        ("import pickle", "imports pickle: a candidate's data comes from run.batches"),
        ("import sys", "imports sys: the interpreter's insides"),
        ("import env.scorer", "imports env.scorer: the environment is offered as `run`"),
        ("import antigravity", "imports antigravity: training does not need it"),
        ("from . import secrets", "imports from its own folder"),
        ("from torch import *", "imports all of torch"),
        ("import torch.multiprocessing as mp", "uses torch.multiprocessing: a candidate is one"),
        ("from torch.utils import cpp_extension", "uses torch.utils.cpp_extension"),
        ("import torch._C", "uses torch._C: private names of a module"),
        ("from os import system", "uses os.system: of os, only cpu_count, environ, getenv"),
        ("from os.path import exists", "uses os.path.exists: of os, only"),
        ("from re import compile", "imports compile as compile: it hides the builtin"),
        ("x = open('/etc/passwd')", "uses open: a candidate's data comes from run.batches"),
        ("eval('1')", "uses eval: code that is text"),
        ("list(map(exec, ['1']))", "uses exec"),
        ("x = f'{__import__(\"os\").fork()}'", "uses __import__"),
        ("x = __builtins__", "uses __builtins__"),
        ("globals()['x'] = 1", "uses globals"),
        ("x = vars(torch)", "uses vars"),
        ("breakpoint()", "uses breakpoint: nobody sits at a trial"),
        ("torch.load('x')", "uses torch.load"),
        ("x = torch.hub.load('a', 'b')", "uses torch.hub: a candidate has no network"),
        ("np.memmap('x')", "uses numpy.memmap"),
        ("np.zeros(3).tofile('x')", "uses .tofile"),
        ("torch.UntypedStorage.from_file('x')", "uses .from_file"),
        ("torch.ops.load_library('x')", "uses .load_library"),
        ("torch.classes.load_library('x')", "uses .load_library"),
        ("torch.utils.data.DataLoader([])", "uses torch.utils.data"),
        ("os.fork()", "uses os.fork: of os, only"),
        ("os.path.exists('x')", "uses os.path.exists"),
        ("from torch import os", "uses torch.os: modules are reached by import alone"),
        ("from dataclasses import sys as s", "uses dataclasses.sys: modules are reached"),
        (
            "import typing\ntyping.get_type_hints(f)",
            "uses typing.get_type_hints: code that is text",
        ),
        ("x = int.mro()", "uses .mro"),
        ("x = os", "passes the module os on"),
        ("t = torch\nt.load('x')", "passes the module torch on"),
        ("x = F.torch.load", "uses torch.nn.functional.torch.load: modules are reached"),
        ("torch.os.system('x')", "uses .os: modules are reached by import alone"),
        ("x = random._os", "uses random._os: private names"),
        ("gc.get_objects()", "uses gc.get_objects: of gc, only"),
        ("inspect.currentframe()", "uses inspect.currentframe"),
        ("operator.attrgetter('a')", "uses operator.attrgetter"),
        ("x = ().__class__.__base__.__subclasses__()", "uses .__subclasses__"),
        ("x = (lambda: 0).__globals__", "uses .__globals__"),
        ("x = (i for i in ()).gi_frame", "uses .gi_frame"),
        ("x = torch.nn.Module.__dict__", "uses .__dict__"),
        ("x.__class__ = int", "uses .__class__"),
        ("getattr(torch, 'load')", "uses torch.load"),
        ("getattr(F, 'tor' + 'ch')", "passes the module F on"),
        ("name = 'x'\ngetattr(run, name)", "uses getattr with a computed name"),
        ("getattr(x, f'{n}')", "uses getattr with a computed name"),
        ("getattr(*pair)", "uses getattr with hidden arguments"),
        ("setattr(F, 'cross_entropy', None)", "sets torch.nn.functional.cross_entropy"),
        ("setattr(x, '__class__', int)", "uses .__class__"),
        ("x = getattr", "passes getattr on"),
        ("F.cross_entropy = None", "sets torch.nn.functional.cross_entropy: a candidate changes"),
        ("nn.Module.load_state_dict = None", "sets torch.nn.Module.load_state_dict"),
        ("def f(run): run._clock.budget = 9", "uses ._clock: of `run`"),
        ("class A:\n    def __del__(self): pass", "defines __del__"),
        ("class A:\n    def __reduce__(self): pass", "defines __reduce__"),
        ("class T(torch.Tensor):\n    def __torch_function__(self): pass", "defines __torch_fun"),
        ("__name__ = '__main__'\nif __name__ == '__main__':\n    import os", "sets __name__"),
        ("class __name__: pass", "sets __name__"),
        ("match 1:\n    case __name__: pass", "sets __name__"),
        # A name that is hidden in one place is not hidden in another.
        ("def f(open): pass\nopen('x')", "uses open"),
        ("if False:\n    open = 1\nopen('x')", "uses open"),
        ("open('x')\nopen = 1", "uses open"),
        ("open = 1\ndel open\nopen('x')", "uses open"),
        ("def f():\n    global open\n    open = 1\n    open('x')", "uses open"),
        ("def f(x=open('x'), open=1): pass", "uses open"),
        ("def f(open) -> open('x'): pass", "uses open"),
        ("x = [torch for torch in torch.load('x')]", "uses torch.load"),
        ("def f():\n    [torch for torch in ()]\n    torch.load('x')", "uses torch.load"),
        ("def f():\n    torch = 1\n    import torch\n    torch.load('x')", "uses torch.load"),
    ],
)
def test_what_reaches_further_is_named(body: str, says: str) -> None:
    said = first(body)
    assert said is not None
    assert said.startswith(says), said
    assert re.search(r": \w", said), "a refusal gives a reason"


@pytest.mark.parametrize(
    "body",
    [
        "def f(input, open): return input, open",
        "compile = True\nif compile: pass",
        "eval = torch.nn.Module()\neval.eval()",
        "class A:\n    compile: bool = True",
        "def f(x):\n    B, T, F = x.shape\n    return B * T * F",
        "def f(x):\n    batch, random, _ = x.shape\n    return random",
        "x = [vars for vars in range(3)]",
        "f = lambda input: input + 1",
        "x = '__globals__ open() import socket'  # import socket",
        "class A:\n    def __init__(self):\n        super().__init__()\n        self._rows = 1",
        "torch._dynamo.config.suppress_errors = True",
        "nn.Linear(1, 1).weight.data[0] = 1",
        "raise SystemExit",
        "x = torch.compile(np.load_something if False else F.gelu)",
    ],
)
def test_what_only_looks_like_it_is_allowed(body: str) -> None:
    assert first(body) is None


GUARD = 'if __name__ == "__main__":\n    import subprocess\n    open("log", "w")\n'


def test_what_runs_only_by_hand_is_the_persons_own_affair() -> None:
    source = HEAD + ENDS + GUARD
    assert allowlist.check(source) is None
    assert allowlist.check(source, source) is None
    for other in (
        GUARD.replace("__main__", "train"),
        GUARD.replace("==", "!="),
        GUARD.replace("__name__", "name"),
        "if True:\n    " + GUARD.replace("\n", "\n    "),
        GUARD.replace("if ", "while "),
        GUARD + "else:\n    import subprocess\n",
    ):
        assert allowlist.check(HEAD + ENDS + other) is not None, other


def test_an_edit_adds_nothing_even_there() -> None:
    source = HEAD + ENDS
    assert allowlist.check(source + GUARD) is None
    said = allowlist.check(source + GUARD, source)
    assert said is not None
    assert "imports subprocess" in said


def test_a_candidate_may_do_what_its_parent_does_and_no_more() -> None:
    parent = "import scipy\n" + HEAD + ENDS
    assert gate.check(parent) is not None
    assert gate.check(parent, parent=parent) is None
    assert gate.check(parent + "\nX = 1\n", parent=parent) is None
    said = gate.check(parent + "\nimport socket\n", parent=parent)
    assert said is not None
    assert f"line {parent.count(chr(10)) + 2}: imports socket" in said


def test_hints_do_not_switch_it_off() -> None:
    for hint in ("# arl: frozen", "# noqa", "# type: ignore", "# arl: range 1..2"):
        assert gate.check(f"import socket  {hint}\n{ENDS}") is not None


def test_a_command_target_may_import_what_it_likes() -> None:
    assert gate.check("import socket\nopen('x')\n", sealed=False) is None


def test_a_long_sum_is_read() -> None:
    assert first("x = " + "+ ".join(["1 "] * 800)) is None


def test_the_first_refusal_is_the_uppermost() -> None:
    said = allowlist.check(HEAD + "\n\nx = open\nimport socket\n" + ENDS)
    assert said is not None
    assert said.startswith("line 8: uses open")
