"""Hints reach every kind of site, from the line itself, from above, and from a definition."""

from __future__ import annotations

import pytest

from target.sites import Site, find_sites
from target.source import SourceError

HEAD = "import torch\nfrom torch import nn, optim\nimport torch.nn.functional as F\n"
STYLES = {
    "constant": ("LR = 0.01", "LR"),
    "variable": ("rate = 0.01", "rate"),
    "field": ("@dataclass\nclass C:\n    rate: float = 0.01", "C.rate"),
    "argument": ('p.add_argument("--lr", default=0.01)', "--lr"),
    "optimizer": ("o = optim.SGD(\n    p,\n    lr=0.01,\n    momentum=0.9)", "SGD.lr"),
    "group": ("g = [\n    dict(params=head,\n         lr=0.01)]", "head.lr"),
}
USES = "\nprint(rate)\n"


def by_id(source: str) -> dict[str, Site]:
    return {site.id: site for site in find_sites(source)}


def hinted(style: str, hint: str, *, above: bool) -> dict[str, Site]:
    """The sites of a script of this style with a hint at, or right above, its rate."""
    lines = []
    for line in STYLES[style][0].splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if "0.01" in line:
            line = f"{indent}# {hint}\n{line}" if above else f"{line}  # {hint}"
        lines.append(line)
    return by_id(HEAD + "\n".join(lines) + USES)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("above", [False, True])
def test_hints_work_for_every_kind(style: str, above: bool) -> None:
    id_ = STYLES[style][1]
    assert id_ in hinted(style, "a comment", above=above)
    assert id_ not in hinted(style, "arl: frozen", above=above)
    ranged = hinted(style, "arl: range 1e-3..1e-1 log", above=above)[id_]
    assert (ranged.low, ranged.high, ranged.log) == (1e-3, 1e-1, True)
    chosen = hinted(style, "arl: choices 0.01, 0.1", above=above)[id_]
    assert (chosen.kind, chosen.choices) == ("choice", (0.01, 0.1))


def test_a_hint_above_reaches_over_other_comments_but_not_over_a_gap() -> None:
    assert by_id("# arl: range 1..9\n# how deep\nX = 3\n")["X"].high == 9
    assert by_id("# arl: range 1..9\n\nX = 3\n")["X"].high is None
    assert by_id("Y = 1  # arl: range 1..9\nX = 3\n")["X"].high is None


def test_the_line_itself_says_more_than_the_line_above() -> None:
    site = by_id("# arl: range 1..9\nX = 3  # deep # arl: range 2..4\n")["X"]
    assert (site.low, site.high, site.comment) == (2, 4, "deep")


@pytest.mark.parametrize(
    "source",
    [
        "@dataclass\nclass C:  # arl: frozen\n    a: int = 1\n    b: int = 2\n",
        "# arl: frozen\n@dataclass\nclass C:\n    a: int = 1\n    b: int = 2\n",
        "@dataclass  # arl: frozen\nclass C:\n    a: int = 1\n    b: int = 2\n",
        HEAD + "def f(x):  # arl: frozen\n    y = nn.Dropout(0.1)(x)\n    return F.relu(y)\n",
        HEAD + "# arl: frozen\nasync def f(x):\n    return F.relu(nn.Dropout(0.1)(x))\n",
        HEAD
        + "class M(nn.Module):  # arl: frozen\n    def f(self, x):\n        return F.relu(x)\n",
        HEAD + "o = optim.SGD(  # arl: frozen\n    p,\n    lr=0.1,\n)\n",
        HEAD + "o = optim.SGD(\n    p,\n    lr=0.1,\n)  # arl: frozen\n",
        HEAD + "# arl: frozen\no = optim.SGD(\n    p,\n    lr=0.1,\n)\n",
        "# arl: frozen\nif x:\n    pass\nelse:\n    A = 1\n",
        "A = (  # arl: frozen\n    1,\n    2,\n)\n",
        "\ufeff# arl: frozen\r\nA = 1\r\n",
    ],
)
def test_frozen_holds_for_all_that_is_inside(source: str) -> None:
    assert find_sites(source) == ()


def test_frozen_holds_no_further_than_that() -> None:
    source = "@dataclass\nclass C:  # arl: frozen\n    a: int = 1\n\nclass Config:\n    b = 2\n"
    assert list(by_id(source)) == ["Config.b"]
    source = HEAD + "o = optim.SGD(\n    p,\n    lr=0.1,  # arl: frozen\n    momentum=0.9,\n)\n"
    assert list(by_id(source)) == ["SGD.momentum"]
    source = HEAD + "a = nn.Dropout(0.1)  # arl: frozen\nb = nn.Dropout(0.1)\n"
    assert [(site.id, site.line) for site in find_sites(source)] == [("Dropout.p", 5)]


def test_a_range_for_one_of_many_needs_a_line_of_its_own() -> None:
    source = HEAD + "o = optim.SGD(p, lr=0.1, momentum=0.9)  # arl: range 1e-3..1 log\n"
    with pytest.raises(SourceError, match=r"line 4: .* both lr and momentum: give each a line"):
        find_sites(source)


@pytest.mark.parametrize("style", STYLES)
def test_a_hint_that_cannot_be_followed_names_its_line(style: str) -> None:
    with pytest.raises(SourceError, match=r"line \d+: cannot follow the hint"):
        hinted(style, "arl: between 1 and 2", above=True)
