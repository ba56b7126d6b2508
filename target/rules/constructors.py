"""Keyword arguments of optimisers, schedulers, models and settings: `AdamW.lr`, `Dropout.p`.

Only in scripts that train and score themselves: a sealed script's knobs are its constants. Places
of one module class that all have the same value are one site, and change together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

from target import entry_points
from target.classes import classes, inherits, is_config_name, path_of, takes_fields
from target.keyword_sites import TECHNICAL, keyword_sites
from target.literal import same
from target.sites import Found
from target.source import Script
from target.value_sites import joined

Kind = Literal["optimizer", "scheduler", "layer", "module", "model", "settings"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What of torch's layers may change alone; their sizes have to fit their neighbours'.
_LAYER_KEYWORDS = _words(
    """p bias eps momentum dropout dropout_p nhead num_heads dim_feedforward num_layers norm_first
    activation affine elementwise_affine negative_slope alpha margin add_bias_kv"""
)
_OPTIMIZER = re.compile(
    r"[A-Z]\w*(Adam\w*|SGD\w*|Optimizer|Prop)|Adam\w*|SGD\w*|Lion\w*|Muon\w*|\w*Shampoo|SOAP|Soap"
    r"|Adafactor|RMSprop|Adagrad|Adadelta|LBFGS|Rprop|Sophia\w*|LAMB|Lamb|LARS|Prodigy\w*"
)
_MAKES_OPTIMIZER = re.compile(r"[a-z_]*optim[a-z_]*")
_SCHEDULER = re.compile(r"[A-Z]\w*(LR|Scheduler|LROnPlateau)|get_\w*schedule\w*")
_OPTIMIZER_BASE = re.compile(r"\w*Optimizer|Adam\w*|SGD")
_MODULE_BASE = re.compile(r"(\w*\.)?\w*Module")
# Whole models of other libraries, but not what splits data or measures.
_MODEL_PATH = re.compile(
    r"(sklearn\.(?!model_selection|metrics|datasets)|xgboost|lightgbm|catboost)\b.*\.[A-Z]\w*"
)
# The few positional arguments that people write instead of keywords.
_POSITIONAL: dict[str, tuple[str, ...]] = {
    "StepLR": ("", "step_size", "gamma"),
    "ExponentialLR": ("", "gamma"),
    "CosineAnnealingLR": ("", "T_max", "eta_min"),
}


def find(script: Script) -> list[Found]:
    """The literal arguments of what is constructed, each under its class's name."""
    if entry_points.is_sealed(script):
        return []
    found: list[Found] = []
    layers: list[Found] = []
    for node in script.nodes:
        if not isinstance(node, ast.Call):
            continue
        name = path_of(script, node.func).rpartition(".")[2] or _last(node.func)
        kind = _kind(script, node, name)
        if kind is not None:
            arguments = list(_arguments(node, name, kind))
            own = keyword_sites(script, name, arguments, kind == "settings")
            (layers if kind in ("layer", "module") else found).extend(own)
    return [*found, *_together(layers)]


def _kind(script: Script, call: ast.Call, name: str) -> Kind | None:
    path = path_of(script, call.func)
    own = classes(script).get(name)
    if own is not None:
        if inherits(script, name, _OPTIMIZER_BASE) or _OPTIMIZER.fullmatch(name):
            return "optimizer"
        if inherits(script, name, _MODULE_BASE):
            return "module"
        return "settings" if takes_fields(own) else None
    if _SCHEDULER.fullmatch(name) or "lr_scheduler." in path:
        return "scheduler"
    if _OPTIMIZER.fullmatch(name) or _MAKES_OPTIMIZER.fullmatch(name) or path[:6] == "optax.":
        return "optimizer"
    if _MODEL_PATH.fullmatch(path):
        return "model"
    if ".nn." in f".{path}" and name[:1].isupper() and not name.endswith("Loss"):
        return "layer"  # a loss may be what the score is
    return "settings" if name[:1].isupper() and is_config_name(name) else None


def _arguments(call: ast.Call, name: str, kind: Kind) -> Iterator[tuple[str, ast.expr]]:
    order = _POSITIONAL.get(name, ())
    if kind == "layer" and name.endswith(("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")):
        order = ("p",)
    elif kind == "optimizer" and name[:1].isupper():
        order = ("", "lr")
    if not any(isinstance(argument, ast.Starred) for argument in call.args):
        yield from ((word, value) for word, value in zip(order, call.args, strict=False) if word)
    for keyword in call.keywords:
        word = keyword.arg
        if word is None or word in TECHNICAL or (kind == "layer" and word not in _LAYER_KEYWORDS):
            continue
        yield word, keyword.value


def _together(layers: Sequence[Found]) -> Iterator[Found]:
    """Places of one name whose values are all the same, as one site; else each on its own."""
    ordered = sorted(layers, key=lambda item: item.site.id)
    for _, group in groupby(ordered, key=lambda item: item.site.id):
        places = sorted(group, key=lambda item: item.site.line)
        first = places[0].site
        if all(same(item.site.value, first.value) for item in places):
            asked = next((i for i in places if i.site.low is not None or i.site.choices), places[0])
            yield joined([asked, *(item for item in places if item is not asked)])
        else:
            yield from places


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else ""
