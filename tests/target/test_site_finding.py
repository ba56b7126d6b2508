"""Sites: what counts as a constant, what its comment says, and how fast they are found."""

from __future__ import annotations

import time

import pytest

from target.sites import Site, find_sites
from target.source import SourceError


def by_id(source: str) -> dict[str, Site]:
    return {site.id: site for site in find_sites(source)}


@pytest.mark.parametrize(
    ("line", "kind", "value"),
    [
        ("X = 3", "int", 3),
        ("X: int = 3", "int", 3),
        ("X = -1", "int", -1),
        ("X = 2**19", "int", 2**19),
        ("X = 64 * 1024", "int", 65536),
        ("X = 1 << 10", "int", 1024),
        ("X = 1_000", "int", 1000),
        ("X = 1e-3", "float", 1e-3),
        ("X = 1 / 4", "float", 0.25),
        ("X = (0.5)", "float", 0.5),
        ("X = True", "bool", True),
        ("X = 'gelu'", "choice", "gelu"),
    ],
)
def test_literals_are_sites(line: str, kind: str, value: object) -> None:
    (site,) = find_sites(line + "\n")
    assert (site.id, site.kind, site.value) == ("X", kind, value)
    assert type(site.value) is type(value)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 3\n",
        "X = None\n",
        "X = f'{1}'\n",
        "X = 'some text'\n",
        "X = 1e999\n",
        "X = 9**9**9\n",
        "X = 1 / 0\n",
        "X = 1\nX = 2\n",
        "X = 1\nX += 2\n",
        "X = 1\nif True:\n    X = 2\n",
        "X = 1\ndef f():\n    global X\n    X = 2\n",
        "X = Y = 1\n",
        "X = 1\ndel X\n",
        "X = 1\nfor X in (1, 2): pass\n",
        "SEED = 1\nRANDOM_SEED = 2\nSEEDS = (1, 2)\n",
        "__X__ = 1\n",
        "class C:\n    X = 1\n",
        "def f():\n    X = 1\n",
        "X = 3  # arl: frozen\n",
    ],
)
def test_these_are_no_sites(source: str) -> None:
    assert find_sites(source) == ()


def test_a_local_of_the_same_name_is_another_variable() -> None:
    assert by_id("T = 8\ndef f(x):\n    B, T = x.shape\n")["T"].value == 8


def test_each_number_of_a_tuple_is_a_site() -> None:
    sites = by_id("BETAS = (0.9, 0.95)  # Adam\nA, B = 1, 2.0\n")
    assert {name: site.value for name, site in sites.items()} == {
        "BETAS[0]": 0.9,
        "BETAS[1]": 0.95,
        "A": 1,
        "B": 2.0,
    }
    assert sites["BETAS[1]"].comment == "Adam"


def test_a_site_knows_its_line_text_and_comment() -> None:
    site = by_id("# top\n\nX = 2**3  # how deep\n")["X"]
    assert (site.line, site.text, site.comment) == (3, "2**3", "how deep")


def test_hints_steer() -> None:
    sites = by_id(
        "LR = 1e-2  # step size # arl: range 1e-4..1e-1 log\n"
        "N = 3  # arl: range 1 .. 9\n"
        "ACT = 'gelu'  # arl: choices gelu, 'relu', silu\n"
        "HEADS = 4  # arl: choices 2, 4, 8\n"
    )
    lr, n, act, heads = (sites[name] for name in ("LR", "N", "ACT", "HEADS"))
    assert (lr.low, lr.high, lr.log, lr.comment) == (1e-4, 1e-1, True, "step size")
    assert (n.low, n.high, n.log) == (1, 9, False)
    assert (act.kind, act.choices) == ("choice", ("gelu", "relu", "silu"))
    assert (heads.kind, heads.choices) == ("choice", (2, 4, 8))


@pytest.mark.parametrize(
    "hint", ["range 5..1", "range a..b", "range 0..1 log", "choices", "rnage 1..2", ""]
)
def test_a_hint_that_cannot_be_followed_names_its_line(hint: str) -> None:
    with pytest.raises(SourceError, match=r"line 2: cannot follow the hint"):
        find_sites(f"A = 1\nX = 3  # arl: {hint}\n")


def test_a_string_can_become_what_the_script_compares_it_with() -> None:
    source = "MODE = 'a'\nif MODE == 'b': pass\nelif MODE in ('c', 'd'): pass\n"
    assert by_id(source)["MODE"].choices == ("a", "b", "c", "d")
    source = "MODE = 'a'\nf = {'a': 1, 'z': 2}[MODE]\n"
    assert by_id(source)["MODE"].choices == ("a", "z")


def test_ids_survive_edits_elsewhere() -> None:
    before = "A = 1\nB = 2\n"
    after = "import os\n\n# more\nA = 5\n\n\nB = 2\n"
    assert [site.id for site in find_sites(before)] == [site.id for site in find_sites(after)]


def test_ids_are_unique(any_script: str) -> None:
    ids = [site.id for site in find_sites(any_script)]
    assert len(ids) == len(set(ids))


def test_layout_changes_no_site(scripts: dict[str, str]) -> None:
    for text in scripts.values():
        plain = [(site.id, site.value, site.line) for site in find_sites(text)]
        other = find_sites("\ufeff" + text.replace("\n", "\r\n"))
        assert [(site.id, site.value, site.line) for site in other] == plain


def test_five_hundred_sites_are_found_in_order_and_in_no_time() -> None:
    source = "".join(f"CONSTANT_{i} = {i}  # größe {i}\n" for i in range(500))
    start = time.process_time()
    sites = find_sites(source)
    assert time.process_time() - start < 5  # about 0.05 s: this only catches a quadratic search
    assert [site.value for site in sites] == list(range(500))


def test_choices_take_the_type_of_a_float() -> None:
    (site,) = find_sites("R = 4.0  # arl: choices 2, 3, 4\n")
    assert [repr(choice) for choice in site.choices] == ["2.0", "3.0", "4.0"]
