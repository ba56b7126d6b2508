"""Sites in scripts of other styles: defaults, keywords, parameter groups, plain variables."""

from __future__ import annotations

import pytest

from target import lattice
from target.edit import Edit, EditError, apply, change
from target.literal import Value, same
from target.sites import Site, find_sites


def values(source: str) -> dict[str, object]:
    """The values of all sites that are no structures, by id."""
    return {site.id: site.value for site in find_sites(source) if site.kind != "structure"}


def by_id(source: str) -> dict[str, Site]:
    return {site.id: site for site in find_sites(source)}


def edited(source: str, **wanted: Value) -> str:
    sites = by_id(source)
    changes = tuple(change(sites[name], value) for name, value in wanted.items())
    return apply(Edit(changes), source)


# -- settings classes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@dataclass\nclass C:\n    n_layer: int = 12\n", {"C.n_layer": 12}),
        ("@dataclasses.dataclass(frozen=True)\nclass C:\n    lr: float = 1\n", {"C.lr": 1.0}),
        ("@dataclass\nclass C:\n    lr: float = field(default=3e-4)\n", {"C.lr": 3e-4}),
        (
            "@dataclass\nclass C:\n    betas: tuple = field(default_factory=lambda: (0.9, 0.95))\n",
            {"C.betas[0]": 0.9, "C.betas[1]": 0.95},
        ),
        ("class C(NamedTuple):\n    width: int = 64\n", {"C.width": 64}),
        ("class C(BaseModel):\n    width: int = Field(64)\n", {"C.width": 64}),
        (
            "class Config:\n    lr = 1e-3\n    bias = False\n",
            {"Config.lr": 1e-3, "Config.bias": False},
        ),
        ("class A:\n    class Config:\n        lr = 1e-3\n", {"A.Config.lr": 1e-3}),
        ("class C:\n    lr = 1e-3\n", {}),
        ("class Config(nn.Module):\n    lr = 1e-3\n", {}),
        ("@dataclass\nclass C:\n    steps: list = field(default_factory=list)\n", {}),
        ("@dataclass\nclass C:\n    out: str = 'runs'\n", {}),
        ("@dataclass\nclass C:\n    seed: int = 3\n    eval_every: int = 9\n", {}),
        ("@dataclass\nclass C:\n    rows: tuple = (1, 2, 3, 4, 5)\n", {}),
    ],
)
def test_defaults_of_settings_classes(source: str, found: dict[str, object]) -> None:
    assert values(source) == found


CLASS = "@dataclass\nclass C:\n    width: int = 64\n    depth: int = 4\n\n"


@pytest.mark.parametrize(
    ("use", "live"),
    [
        ("", {"C.width", "C.depth"}),
        ("c = C()\n", {"C.width", "C.depth"}),
        ("c = C(width=W)\n", {"C.depth"}),
        ("c = C(W)\n", {"C.depth"}),
        ("c = C(*rest)\n", {"C.width", "C.depth"}),
        ("c = C(width=W)\nd = C(depth=D)\n", {"C.width", "C.depth"}),
        ("args = dict(width=w, depth=d)\nc = C(**args)\n", set()),
        ("args = {'width': w}\nc = C(**args)\n", {"C.depth"}),
        ("c = C(**made())\n", {"C.width", "C.depth"}),
        ("c = C()\nc.width = int(x)\n", {"C.depth"}),
    ],
)
def test_a_default_that_is_always_overridden_is_no_site(use: str, live: set[str]) -> None:
    assert set(values(CLASS + use)) == live


def test_what_a_construction_says_is_the_site_then() -> None:
    assert values(CLASS + "c = C(width=32)\n") == {"C.depth": 4, "C.width": 32}


def test_people_and_policies_read_the_name_of_a_field() -> None:
    other = "@dataclass\nclass D:\n    width: int = 8\n"
    assert [site.name for site in find_sites(CLASS + other)] == ["C.width", "depth", "D.width"]


# -- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "found"),
    [
        ('"--lr", type=float, default=3e-4', {"--lr": 3e-4}),
        ('"-l", "--learning-rate", default=3e-4', {"--learning-rate": 3e-4}),
        ('"--lr", type=float, default=1', {"--lr": 1.0}),
        ('"--drop", required=False, default=0.1', {"--drop": 0.1}),
        ('"--act", default="relu", choices=("relu", "gelu")', {"--act": "relu"}),
        ('"--betas", nargs=2, default=[0.9, 0.95]', {"--betas[0]": 0.9, "--betas[1]": 0.95}),
        ('"--tie", action=argparse.BooleanOptionalAction, default=False', {"--tie": False}),
        ('"--lr", type=float, required=True, default=3e-4', {}),
        ('"--lr", type=float', {}),
        ('"--lr", default=None', {}),
        ('"lr", default=3e-4', {}),
        ('"--flag", action="store_true", default=False', {}),
        ('"--out", default="runs"', {}),
        ('"--seed", default=1', {}),
        ('"--log-interval", default=100', {}),
        ('"--num-workers", default=4', {}),
        ('"--epochs", default=4', {}),
        ('"--rate", dest="seed", default=4', {}),
    ],
)
def test_defaults_of_arguments(call: str, found: dict[str, object]) -> None:
    assert values(f"parser.add_argument({call})\n") == found


def test_an_argument_keeps_its_choices_and_its_style() -> None:
    source = 'p.add_argument("--act", default="relu", choices=["relu", "gelu", "silu"])\n'
    assert by_id(source)["--act"].choices == ("relu", "gelu", "silu")
    assert edited(source, **{"--act": "silu"}) == source.replace('="relu"', '="silu"')


def test_an_argument_that_the_script_sets_itself_is_no_site() -> None:
    assert values('p.add_argument("--lr", default=1e-3)\nargs.lr = rate()\n') == {}


# -- keywords --------------------------------------------------------------------------------

IMPORTS = "import torch\nfrom torch import nn, optim\nimport torch.nn.functional as F\n"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (
            "o = torch.optim.AdamW(p, lr=3e-4, betas=(0.9, 0.95), fused=True)",
            {"AdamW.lr": 3e-4, "AdamW.betas[0]": 0.9, "AdamW.betas[1]": 0.95},
        ),
        ("o = optim.SGD(p, 0.1, momentum=0.9, nesterov=True)",
         {"SGD.lr": 0.1, "SGD.momentum": 0.9, "SGD.nesterov": True}),
        ("class Mine(optim.Optimizer): pass\no = Mine(p, lr=0.1, foreach=False)", {"Mine.lr": 0.1}),
        ("o = model.setup_optimizer(matrix_lr=0.04)", {"setup_optimizer.matrix_lr": 0.04}),
        ("s = optim.lr_scheduler.CosineAnnealingLR(o, T_max=100, eta_min=1e-5, last_epoch=-1)",
         {"CosineAnnealingLR.T_max": 100, "CosineAnnealingLR.eta_min": 1e-5}),
        ("import optax\no = optax.adamw(learning_rate=0.1)", {"adamw.learning_rate": 0.1}),
        ("from sklearn.svm import SVC\nm = SVC(C=2.0, random_state=3)", {"SVC.C": 2.0}),
        ("import xgboost as xgb\nm = xgb.XGBClassifier(max_depth=6, n_jobs=2)",
         {"XGBClassifier.max_depth": 6}),
        ("from sklearn.model_selection import KFold\nk = KFold(shuffle=True)", {}),
        ("d = nn.Dropout(0.1)", {"Dropout.p": 0.1}),
        ("d = nn.Linear(8, 8, bias=False)", {"Linear.bias": False}),
        ("d = nn.LayerNorm(8, eps=1e-5, device='cpu')", {"LayerNorm.eps": 1e-5}),
        ("class B(nn.Module): pass\nb = B(8, ratio=4, dim=3, seed=1)", {"B.ratio": 4}),
        ("c = GPTConfig(n_layer=6, vocab_size=50257)", {"GPTConfig.n_layer": 6}),
        ("d = nn.Linear(in_features=8, out_features=16)", {}),
        ("l = nn.CrossEntropyLoss(label_smoothing=0.1)", {}),
        ("f(lr=0.1)", {}),
        ("o = torch.optim.AdamW(p, lr=lr, weight_decay=wd * 2)", {}),
    ],
)  # fmt: skip
def test_keywords_of_what_is_constructed(code: str, found: dict[str, object]) -> None:
    assert values(f"{IMPORTS}{code}\n") == found


def test_a_sealed_scripts_knobs_are_its_constants() -> None:
    code = "A = 3\no = optim.SGD(p, lr=0.1)\ng = dict(params=p, lr=0.1)\n"
    ends = "def build_model(vocab_size, seq_len): ...\ndef train(model, run): ...\n"
    assert values(IMPORTS + code) == {"A": 3, "SGD.lr": 0.1, "group.lr": 0.1}
    assert values(IMPORTS + code + ends) == {"A": 3}


def test_repeats_are_numbered() -> None:
    source = IMPORTS + "a = optim.SGD(p, lr=0.1)\nb = optim.SGD(q, lr=0.2)\n"
    assert values(source) == {"SGD.lr": 0.1, "SGD.lr#2": 0.2}
    assert edited(source, **{"SGD.lr#2": 0.3}) == source.replace("0.2", "0.3")


def test_places_of_one_layer_that_agree_change_together() -> None:
    source = (
        IMPORTS + "a = nn.Dropout(0.1)\nb = nn.Dropout(p=0.1)\nc = nn.Linear(2, 2, bias=True)\n"
    )
    assert values(source) == {"Dropout.p": 0.1, "Linear.bias": True}
    assert edited(source, **{"Dropout.p": 0.2}) == source.replace("0.1", "0.2")


def test_places_that_differ_are_sites_of_their_own() -> None:
    source = IMPORTS + "a = nn.Dropout(0.1)\nb = nn.Dropout(0.2)\n"
    assert values(source) == {"Dropout.p": 0.1, "Dropout.p#2": 0.2}
    with pytest.raises(EditError, match=r"cannot be set"):  # they would become one
        edited(source, **{"Dropout.p#2": 0.1})


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ("dict(params=embeddings, lr=0.3)", {"embeddings.lr": 0.3}),
        ("{'params': self.lm_head.parameters(), 'lr': 0.3}", {"lm_head.lr": 0.3}),
        ("dict(params=[net.table.weight], eps=1e-8)", {"table.eps": 1e-8}),
        ("dict(kind='muon', params=group_params, momentum=0.95)", {"muon.momentum": 0.95}),
        ("dict(params=params, weight_decay=0.1, fused=True)", {"group.weight_decay": 0.1}),
        ("dict(lr=0.3)", {}),
        ("{'lr': 0.3}", {}),
    ],
)  # fmt: skip
def test_parameter_groups(group: str, found: dict[str, object]) -> None:
    assert values(f"{IMPORTS}groups = [{group}]\n") == found


def test_a_group_in_a_call_is_called_after_its_optimizer() -> None:
    source = IMPORTS + "o = optim.SGD([{'params': params, 'lr': 0.3}], lr=rate)\n"
    assert values(source) == {"SGD.lr": 0.3}


# -- plain variables -------------------------------------------------------------------------


def test_plain_variables_of_a_script_without_constants(scripts: dict[str, str]) -> None:
    assert values(scripts["variables"]) == {
        "rate": 6e-4,
        "least_rate": 6e-5,
        "width": 192,
        "depth": 3,
        "betas[0]": 0.9,
        "betas[1]": 0.95,
        "clip": 1.0,
        "warmup_iters": 100,
    }
    assert "rate" not in values(scripts["variables"] + "LIMIT = 3\n")


def test_a_main_block_counts_as_the_top() -> None:
    source = 'if __name__ == "__main__":\n    WIDTH = 8\n    print(WIDTH)\n'
    assert values(source) == {"WIDTH": 8}
    assert values(source.replace("WIDTH", "width")) == {"width": 8}


# -- all of them -----------------------------------------------------------------------------


def test_a_script_of_each_style_has_its_sites(scripts: dict[str, str]) -> None:
    found = set(values(scripts["accumulating"]))
    assert found >= {
        *("GROWTH", "BLOCKS", "ROWS_ON_A_DEVICE", "TOKENS_IN_A_STEP", "Settings.drop"),
        *("Linear.bias", "Dropout.p", "table.betas[0]", "scalars.lr", "ortho.lr", "AdamW.lr"),
    }
    assert not found & {"EVAL_ROWS", "EPOCHS", "SEED", "Settings.width", "Settings.seed"}
    assert set(values(scripts["arguments"])) == {
        *("--lr", "--weight-decay", "--optimizer", "--hidden", "--heads", "--tie"),
        *("--betas[0]", "--betas[1]", "SGD.momentum", "SGD.nesterov"),
    }


@pytest.mark.parametrize("name", ["accumulating", "arguments", "variables"])
def test_every_site_can_take_its_neighbours_and_come_back(
    name: str, scripts: dict[str, str]
) -> None:
    source = scripts[name]
    for site in find_sites(source):
        if site.kind == "structure":
            continue
        for value in lattice.span(site, 1):
            try:
                candidate = apply(Edit((change(site, value),)), source)
            except EditError:  # two places of a layer would agree
                assert "#" in site.id or f"{site.id}#2" in by_id(source)
                continue
            assert same(by_id(candidate)[site.id].value, value)
            if site.kind == "choice":
                continue  # what the script compares it with need not hold what was given
            back = apply(Edit((change(by_id(candidate)[site.id], site.value),)), candidate)
            assert values(back) == values(source)


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ('p.add_argument("--weight-decay", type=float, default=0.0)\n', "log"),
        ('p.add_argument("--adam-beta2", type=float, default=0.95)\n', "beta"),
        ('p.add_argument("--n-layer", type=int, default=8)\n', "integers"),
        ('p.add_argument("--warmup-ratio", type=float, default=0.0)\n', "ratio"),
        ("@dataclass\nclass C:\n    n_layer: int = 8\n", "integers"),
        ("@dataclass\nclass C:\n    lr: float = 0.01\n", "log"),
        (IMPORTS + "o = optim.AdamW(p, lr=0.01)\n", "log"),
        (IMPORTS + "o = optim.AdamW(p, weight_decay=0.1)\n", "log"),
        (IMPORTS + "o = nn.Dropout(0.1)\n", "ratio"),
        (IMPORTS + "o = optim.AdamW(p, betas=(0.9, b))\n", "beta"),
    ],
)
def test_names_in_other_spellings_say_the_same(source: str, shape: str) -> None:
    (site,) = find_sites(source)
    assert lattice.shape(site) == shape


def test_a_rate_is_never_zero() -> None:
    (site,) = find_sites(IMPORTS + "o = optim.AdamW(p, lr=0.01)\n")
    assert 0 not in lattice.values(site)
