"""The gate refuses what cannot run, and what changes nothing that matters."""

from __future__ import annotations

import re

import pytest

from target.gate import check, only_seeds

MODEL = "def build_model(vocab_size, seq_len):\n    return 1\n"
TRAIN = "def train(model, run):\n    pass\n"


@pytest.mark.parametrize(
    "source",
    [
        MODEL + TRAIN,
        "\ufeff" + (MODEL + TRAIN).replace("\n", "\r\n"),
        "def build_model(a: int, b: int = 3, *, c=1): pass\ndef train(*args): pass\n",
        "build_model = train = print\n",
        "if True:\n    def train(model, run, extra=1): pass\n" + MODEL,
    ],
)
def test_scripts_that_may_run(source: str) -> None:
    assert check(source) is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(:\n", "line 1"),
        (MODEL + TRAIN + "return 3\n", "line 5: 'return' outside function"),
        (MODEL, r"no function train\(model, run\)"),
        (TRAIN, r"no function build_model\(vocab_size, seq_len\)"),
        (TRAIN + "class A:\n    def build_model(self, a): pass\n", "no function build_model"),
        (MODEL + "async def train(model, run): pass\n", "must be a plain function"),
        (MODEL + "def train(model): pass\n", "must be a plain function"),
        (MODEL + "def train(model, run, clock): pass\n", "must be a plain function"),
        (MODEL + "def train(model, run, *, clock): pass\n", "must be a plain function"),
    ],
)
def test_scripts_that_may_not(source: str, says: str) -> None:
    reason = check(source)
    assert reason is not None
    assert re.search(says, reason), reason


def test_a_command_target_only_has_to_parse() -> None:
    assert check("print(1)\n", sealed=False) is None
    assert check("print(1\n", sealed=False) is not None


@pytest.mark.parametrize(
    ("parent", "candidate"),
    [
        ("A = 1\n", "A = 1  # more\n\n"),
        ("A = 1\n", '"""Doc."""\nA = 1\n'),
        ("SEED = 1\n", "SEED = 2\n"),
        ("MY_SEED: int = 1\n", "MY_SEED: int = 2\n"),
        ("torch.manual_seed(1)\n", "torch.manual_seed(SEED + 7)\n"),
        ("x = 1\n", "x = 1\ntorch.manual_seed(7)\n"),
        ("def f():\n    x = 1\n", "def f():\n    seed_all(7)\n    x = 1\n"),
        ("random.seed(1)\nx = 1\n", "x = 1\n"),
        ("rng = np.random.default_rng(1)\n", "rng = np.random.default_rng(2)\n"),
        ("f(x, seed=1)\n", "f(x, seed=2)\n"),
        (
            "p.add_argument('--seed', type=int, default=1)\n",
            "p.add_argument('--seed', type=int, default=2)\n",
        ),
        (
            "p.add_argument('--data-seed', default=1)\n",
            "p.add_argument('--data-seed', default=2)\n",
        ),
        ("class C:\n    seed: int = 1\n", "class C:\n    seed: int = 2\n"),
        ("g = torch.Generator().manual_seed(1)\n", "g = torch.Generator().manual_seed(2)\n"),
        ("generator.manual_seed(1)\nx = 1\n", "generator.manual_seed(2)\nx = 1\n"),
        ("d = dict(seed=1, lr=2)\n", "d = dict(seed=2, lr=2)\n"),
        ("d = {'seed': 1, 'lr': 2}\n", "d = {'seed': 2, 'lr': 2}\n"),
        ("d['seed'] = 1\n", "d['seed'] = 2\n"),
        ("args.seed = 1\n", "args.seed = 2\n"),
        ("def main(seed=1, *, data_seed=1): x\n", "def main(seed=2, *, data_seed=3): x\n"),
        ("split(x, random_state=1)\n", "split(x, random_state=2)\n"),
        ("key = jax.random.PRNGKey(1)\n", "key = jax.random.PRNGKey(2)\n"),
        ("A = 2**3\n", "A = 8\n"),
        ("A = 1\r\n", "A = 1\n"),
    ],
)
def test_luck_is_no_edit(parent: str, candidate: str) -> None:
    assert only_seeds(parent, candidate)


@pytest.mark.parametrize(
    ("parent", "candidate"),
    [
        ("A = 1\n", "A = 2\n"),
        ("A = 1\n", "A = 1.0\n"),
        ("A = 'x'\n", "A = 'y'\n"),
        ("torch.manual_seed(1)\n", "pass\n"),
        ("SEED = 1\nA = 1\n", "SEED = 2\nA = 2\n"),
        ("f(x, y=1)\n", "f(x, y=2)\n"),
        ("p.add_argument('--lr', default=1)\n", "p.add_argument('--lr', default=2)\n"),
        ("class C:\n    depth: int = 1\n", "class C:\n    depth: int = 2\n"),
        ("d = {'seed': 1, 'lr': 2}\n", "d = {'seed': 1, 'lr': 3}\n"),
        ("def main(seed=1, lr=2): x\n", "def main(seed=1, lr=3): x\n"),
    ],
)
def test_a_real_change_is_an_edit(parent: str, candidate: str) -> None:
    assert not only_seeds(parent, candidate)


def test_a_text_that_its_own_encoding_cannot_hold_is_refused() -> None:
    parent = "# -*- coding: latin-1 -*-\nLR = 0.1\n"
    amended = parent.replace("0.1", "0.2  # \u20ac")
    assert "cannot be written as" in str(check(amended, sealed=False, parent=parent))
    assert check(parent.replace("0.1", "0.2  # \xe9"), sealed=False, parent=parent) is None


def test_a_sum_of_very_many_terms_is_compared_as_far_as_can_be() -> None:
    parent = f"LR = 0.1\nTEXT = {' + '.join(f'a{n}' for n in range(900))}\n"
    assert not only_seeds(parent, parent.replace("0.1", "0.2"))
