"""Asserts between constants: followed where that is possible, and never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target.constraints import constraints, violated
from target.gate import check


def holds(source: str, **modules: str) -> list[bool | None]:
    return [found.holds for found in constraints(source, modules)]


@pytest.mark.parametrize(
    ("before", "test", "expected"),
    [
        ("A = 12\nB = 4\n", "A % B == 0", True),
        ("A = 12\nB = 5\n", "A % B == 0", False),
        ("A = 12\nB = unknown()\n", "A % B == 0", None),
        ("A = 2**19\nB = A // 3\n", "B * 3 == A", False),
        ("A, B = divmod(17, 5)\n", "A == 3 and B == 2", True),
        ("A = max(3, min(9, 4)) + abs(-1) + round(2.4) + int(1.9)\n", "A == 8", True),
        ("import math\nA = math.ceil(7 / 2) * math.gcd(12, 18)\n", "A == 24", True),
        ("from math import sqrt\nA = sqrt(16)\n", "A == 4", True),
        ("A = [1, 2, 3]\n", "len(A) == 3 and A[-1] == 3 and sum(A) == 6", True),
        ("A = [1, 2]\nA.append(x)\n", "len(A) == 2", None),
        ("A = {'w': 8}\n", "A['w'] == 8", True),
        ("A = dict(w=8)\nA['w'] = 9\n", "A['w'] == 9", True),
        ("A = 'SSL'\n", "all(c in 'SL' for c in A)", True),
        ("A = 'SXL'\n", "all(c in 'SL' for c in A)", False),
        ("A = 3\n", "1 <= A <= 3 < 4", True),
        ("A = 3\n", "A > 2 or unknown()", True),
        ("A = 3\n", "A > 3 or unknown()", None),
        ("A = 3\n", "A > 3 and unknown()", False),
        ("A = 3\n", "not A", False),
        ("A = None\n", "A is None", True),
        ("A = 3\nB = A if A > 2 else 0\n", "B == 3", True),
        ("A = 3\nA += 1\n", "A == 4", True),
        ("A = 3\nA += x\n", "A == 4", None),
        ("A: int = 3\n", "A == 3", True),
        ("A = (B := 3) + 1\n", "A == B + 1", True),
        ("A = 9**9**9\n", "A > 1", None),
        ("A = 1 / 0\n", "A > 1", None),
        ("A = 'x' * 10**9\n", "A", None),
        ("A = os.environ.get('A', 3)\n", "A == 3", None),
        ("if torch.cuda.is_available():\n    A = 1\nelse:\n    A = 2\n", "A == 1", None),
        ("A = 3\nif A > 2:\n    B = 1\nelse:\n    B = 2\n", "B == 1", True),
        ("A = 0\nfor i in range(4):\n    A += i\n", "A == 6", True),
        ("A = 0\nfor i in x:\n    A += i\n", "A == 0", None),
        ("A = 0\nwhile x():\n    A += 1\n", "A == 0", None),
        ("try:\n    A = 1\nexcept ValueError:\n    A = 2\n", "A == 1", None),
        ("with x() as y:\n    A = 1\n", "A == 1", True),
        ("def f(n, k=2):\n    m = n * k\n    return m + 1\nA = f(4)\n", "A == 9", True),
        ("def f(n):\n    if n > 3:\n        return 1\n    return 2\nA = f(4)\n", "A == 1", True),
        ("def f(n):\n    if x:\n        return 1\n    return 2\nA = f(4)\n", "A == 2", None),
        ("def f(n):\n    return f(n)\nA = f(4)\n", "A == 2", None),
        ("def f(n):\n    yield n\nA = f(4)\n", "A == 4", None),
        ("A = 1\ndef f():\n    global A\n    A = 2\nf()\n", "A == 2", True),
        ("f = lambda n: n + 1\nA = f(4)\n", "A == 5", True),
        ("A = 3\ndel A\n", "A == 3", None),
        ("from elsewhere import A\n", "A == 3", None),
    ],
)
def test_what_is_known_is_followed_and_the_rest_stays_unknown(
    before: str, test: str, expected: bool | None
) -> None:
    assert holds(f"{before}assert {test}\n") == [expected]


@given(st.integers(-50, 50), st.integers(-50, 50), st.sampled_from(["+", "-", "*", "//", "%", "/"]))
def test_arithmetic_is_pythons_own(left: int, right: int, op: str) -> None:
    source = f"A = {left}\nB = {right}\nC = A {op} B\n"
    if right == 0 and op in ("//", "%", "/"):
        assert holds(f"{source}assert C == 0\n") == [None]
        return
    value = eval(f"({left}) {op} ({right})")  # noqa: S307
    assert holds(f"{source}assert C == {value!r}\nassert C != {value!r}\n") == [True, False]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12))
def test_it_says_what_running_the_script_says(width: int, size: int, depth: int) -> None:
    source = (
        f"WIDTH, SIZE, DEPTH = {width}, {size}, {depth}\n"
        "def fit(width, size=SIZE):\n"
        "    heads = max(1, width // size)\n"
        "    return heads * size, heads\n"
        "inner, heads = fit(WIDTH * DEPTH)\n"
        "assert inner % heads == 0 and inner <= WIDTH * DEPTH\n"
    )
    try:
        exec(source, {})  # noqa: S102
    except AssertionError:
        assert violated(source)
    else:
        assert violated(source) is None


def test_a_raise_under_an_if_is_a_constraint() -> None:
    source = "A = 12\nB = {}\nif A % B != 0:\n    raise ValueError('no')\n"
    assert violated(source.format(4)) is None
    said = violated(source.format(5))
    assert said == "line 3: `if A % B != 0: raise` would raise: A is 12, B is 5"
    assert violated("import sys\nA = 3\nif A > 2:\n    print('no')\n    sys.exit(1)\n")


def test_a_test_that_divides_by_zero_fails() -> None:
    source = "A = 12\nB = {}\nassert x or A % B == 0\nassert A % B == 0\n"
    assert violated(source.format(4)) is None
    assert violated(source.format(0)) == "line 4: `assert A % B == 0` would fail: A is 12, B is 0"


def test_leaving_as_usual_is_no_constraint() -> None:
    assert constraints("import sys\nA = 3\nif A > 2:\n    sys.exit(0)\n") == ()
    assert violated("import sys\nA = 3\nif A > 2:\n    sys.exit('no')\n")
    source = (
        "import sys\nA = 3\ndef main():\n    assert A == 4\n"
        "if __name__ == '__main__':\n    sys.exit(main())\n"
    )
    assert violated(source) == "line 4: `assert A == 4` would fail: A is 3"
    assert len(constraints(source)) == 1


def test_the_sentence_names_line_expression_and_values() -> None:
    source = "A = 10\nB = 4\n\nassert A % B == 0, 'must divide'\n"
    assert violated(source) == "line 4: `assert A % B == 0` would fail: A is 10, B is 4"


def test_constants_of_frozen_modules_are_known_if_they_are_given() -> None:
    source = "from prepare import LENGTH\nimport prepare as p\nT = 8 * LENGTH\nassert 64 % T == 0\n"
    assert holds(source) == [None]
    assert holds(source, prepare="LENGTH = 8\n") == [True]
    assert holds(source, prepare="LENGTH = 2 * 8\n") == [False]
    assert holds("import prepare as p\nassert p.LENGTH == 8\n", prepare="LENGTH = 8\n") == [True]
    assert holds("from prepare import *\nassert LENGTH == 8\n", prepare="LENGTH = 8\n") == [True]
    assert holds(source, prepare="LENGTH = (\n") == [None]
    packaged = {"parts.model": "LENGTH = 8\n", "parts.__init__": "WIDTH = 4\n"}
    for line in (
        "from parts.model import LENGTH",
        "from parts import model\nLENGTH = model.LENGTH",
    ):
        assert holds(f"{line}\nassert LENGTH == 8\n", **packaged) == [True]
    assert holds("from parts import WIDTH\nassert WIDTH == 4\n", **packaged) == [True]
    assert holds("import a\nassert a.X\n", a="import b\nX = b.Y\n", b="import a\nY = 1\n") == [True]


def test_asserts_in_frozen_modules_count_too() -> None:
    model = (
        "class Block:\n    def __init__(self, config):\n"
        "        assert config.width % config.heads == 0\n"
        "class Config:\n    def __init__(self, width, heads):\n"
        "        self.width, self.heads = width, heads\n"
    )
    source = "from model import Block, Config\nWIDTH = {}\nb = Block(Config(WIDTH, 4))\n"
    assert violated(source.format(64), {"model": model}) is None
    said = violated(source.format(66), {"model": model})
    assert said == (
        "model, line 3: `assert config.width % config.heads == 0` would fail:"
        " config.width is 66, config.heads is 4"
    )


CONFIG = "@dataclass\nclass C:\n    width: int = {}\n    heads: int = 4\n\n"


@pytest.mark.parametrize(
    "use",
    [
        "c = C()\nassert c.width % c.heads == 0\n",
        "assert C.width % C.heads == 0\n",
        "def f(c: C):\n    assert c.width % c.heads == 0\nf(C())\n",
        "def f(c: C):\n    assert c.width % c.heads == 0\n",
        "def f(config):\n    assert config.width % config.heads == 0\nstart(C())\n",
        "class M:\n    def __init__(self, c: C):\n"
        "        self.w = c.width\n        self.h = c.heads\n"
        "        assert self.w % self.h == 0\nm = M(C())\n",
        "class M:\n    def __init__(self, c: C):\n        self.c = c\n"
        "    def build(self):\n        assert self.c.width % self.c.heads == 0\n",
        "class M:\n    def __init__(self, c: C):\n        self.c = c\n"
        "    @property\n    def size(self):\n        return self.c.width // self.c.heads\n"
        "    def build(self):\n        assert self.size * self.c.heads == self.c.width\n",
        "class B:\n    def __init__(self, c):\n        assert c.width % c.heads == 0\n"
        "class M:\n    def __init__(self, c):\n        self.all = List([B(c) for _ in range(3)])\n"
        "m = M(C())\n",
        "a = dict(heads=4)\nc = C(**a)\nassert c.width % c.heads == 0\n",
        "def main():\n    c = C()\n    assert c.width % c.heads == 0\n"
        "if __name__ == '__main__':\n    main()\n",
    ],
)
def test_settings_are_followed_to_where_they_are_checked(use: str) -> None:
    assert False not in holds(CONFIG.format(64) + use)
    assert holds(CONFIG.format(66) + use) == [False]


def test_settings_that_differ_are_not_known() -> None:
    use = (
        "a = C(heads=3)\nb = C(heads=4)\n"
        "def f(config):\n    assert config.width % config.heads == 0\n"
    )
    assert holds(CONFIG.format(64) + use) == [None]


def test_defaults_of_arguments_are_what_the_script_gets(scripts: dict[str, str]) -> None:
    source = scripts["arguments"]
    assert holds(source) == [True]
    said = violated(source.replace("default=48", "default=50"))
    assert said is not None
    assert "args.hidden is 50, args.heads is 4" in said


def test_a_script_that_accumulates_batches(scripts: dict[str, str]) -> None:
    source, data = scripts["accumulating"], {"frozen_data": "CONTEXT = 512\nPEAK = 3\n"}
    assert holds(source, **data) == [True, True]
    assert holds(source) == [True, None]
    said = violated(source.replace("ROWS_ON_A_DEVICE = 32", "ROWS_ON_A_DEVICE = 48"), data)
    assert said is not None
    assert "TOKENS_IN_A_STEP is 65536, tokens_at_once is 24576" in said


@pytest.mark.parametrize(
    "source",
    [
        "A = 3\nif unknown:\n    assert A == 4\n",
        "A = 3\nfor x in unknown:\n    assert A == 4\n",
        "A = 3\nwhile True:\n    assert A == 4\n",
        "A = 3\ntry:\n    assert A == 4\nexcept AssertionError:\n    A = 4\n",
        "A = 3\ndef f():\n    if unknown:\n        return\n    assert A == 4\nf()\n",
        "A = 3\nunknown() or check(A)\ndef check(a):\n    pass\n",
        "A = 3\nwith suppress(AssertionError):\n    assert A == 4\n",
        "A = 3\nexit()\nassert A == 4\n",
    ],
)
def test_an_assert_that_may_not_be_reached_breaks_nothing(source: str) -> None:
    assert violated(source) is None


def test_what_the_parent_seems_to_break_as_well_has_been_misread() -> None:
    parent = "A = 3\nB = 1\nassert A == 4\nassert B == 1\n"
    assert violated(parent.replace("A = 3", "A = 5"), parent=parent) is None
    said = violated(parent.replace("B = 1", "B = 2"), parent=parent)
    assert said is not None
    assert said.startswith("line 4")


def test_the_gate_refuses_it_sealed_or_not() -> None:
    ends = "def build_model(vocab_size, seq_len): ...\ndef train(model, run): ...\n"
    parent = "A = 12\nB = 4\nassert A % B == 0\n" + ends
    candidate = parent.replace("B = 4", "B = 5")
    for sealed in (True, False):
        said = check(candidate, sealed=sealed, parent=parent)
        assert said == "line 3: `assert A % B == 0` would fail: A is 12, B is 5"
        assert check(parent.replace("B = 4", "B = 6"), sealed=sealed, parent=parent) is None
    assert check(candidate) is None  # a script as given: it says so itself when it runs


@pytest.mark.parametrize(
    "source",
    [
        "A = " + "+".join(["1"] * 800) + "\nassert A == 3\n",
        "A = " + "[" * 80 + "]" * 80 + "\nassert not A\n",
        "def f(n):\n    return g(n) + g(n)\ndef g(n):\n    return f(n) + f(n)\nassert f(1)\n",
        "A = [[0 for _ in range(200)] for _ in range(200)]\nassert len(A) == 1\n",
        "A = 0\nfor i in range(60):\n    for j in range(60):\n        for k in range(60):\n"
        "            A += 1\nassert A == 1\n",
        "class A(A): pass\nassert A.x\n",
        "assert (yield)\n",
    ],
)
def test_no_script_keeps_it_busy(source: str) -> None:
    violated(source)


def test_every_script_can_be_read(any_script: str) -> None:
    assert violated(any_script) is None
    assert all(found.line >= 1 for found in constraints(any_script))
