"""The knobs of simulated scripts: what roles there are, what they are called, and how they act.

This is general knowledge about training small networks under a fixed time: what usually has a
sharp optimum, what is usually set too high, what rarely matters. A simulated study follows it with
a random strength, so that a policy learns to use it and to drop it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from policy.moves import View, view
from target.sites import Site, find_sites


@dataclass(frozen=True)
class Role:
    """A kind of knob.

    `weight` says how much the score depends on it; `offset` and `spread` where its optimum lies,
    seen from a default that somebody has tuned, in natural units (octaves, eighths of a ratio);
    `slope` how much worse too high is than too low; `flat` how wide the optimum is. `load` is its
    part in memory, `hot` its part in divergence.
    """

    name: str
    names: tuple[str, ...]
    literals: tuple[str, ...]
    weight: float = 0.3
    offset: float = 0.0
    spread: float = 0.6
    slope: float = 1.0
    flat: float = 0.0
    load: float = 0.0
    hot: float = 0.0
    often: float = 0.5  # the chance that a script has it


ROLES: tuple[Role, ...] = (
    Role(
        "depth", ("DEPTH", "N_LAYER", "NUM_LAYERS", "N_BLOCKS", "LAYERS"),
        ("4", "6", "8", "12", "3", "2"), 1.2, 0.1, 0.35, 1.3, load=1.0, often=0.95,
    ),
    Role(
        "width", ("WIDTH", "N_EMBD", "D_MODEL", "MODEL_DIM", "HIDDEN_SIZE"),
        ("128", "256", "384", "512", "768", "64"), 1.2, 0.0, 0.5, 1.2, load=1.5, often=0.6,
    ),
    Role(
        "aspect", ("ASPECT_RATIO", "WIDTH_PER_LAYER", "ASPECT"),
        ("64", "48", "32", "96"), 1.0, 0.0, 0.5, 1.2, load=1.5, often=0.35,
    ),
    Role(
        "head size", ("HEAD_DIM", "HEAD_SIZE", "D_HEAD"), ("64", "128", "32"), 0.3, 0.0, 0.8,
        load=0.1, often=0.7,
    ),
    Role(
        "heads", ("N_HEAD", "NUM_HEADS", "N_KV_HEAD"), ("4", "6", "8", "2"), 0.25, 0.0, 0.7,
        load=0.1, often=0.3,
    ),
    Role(
        "mlp", ("MLP_RATIO", "FFN_MULT", "MLP_EXPANSION"), ("4", "2", "4.0", "3"), 0.4, 0.0, 0.5,
        load=0.5, often=0.5,
    ),
    Role(
        "batch", ("TOTAL_BATCH_SIZE", "BATCH_TOKENS", "BATCH_SIZE", "TOKENS_PER_STEP", "BATCH"),
        ("2**19", "2**18", "2**16", "64", "32", "2**12", "16"), 1.6, -0.9, 0.8, 1.0, often=0.95,
    ),
    Role(
        "device batch", ("DEVICE_BATCH_SIZE", "MICRO_BATCH", "LOCAL_BATCH_SIZE"),
        ("128", "64", "32", "16"), 0.25, 0.0, 0.7, load=1.3, often=0.5,
    ),
    Role(
        "length", ("SEQ_LEN", "CONTEXT", "BLOCK_SIZE", "MAX_SEQ_LEN"),
        ("256", "512", "1024", "128"),
        0.5, -0.3, 0.6, load=0.9, often=0.3,
    ),
    Role(
        "rate", ("LEARNING_RATE", "LR", "MAX_LR", "BASE_LR"),
        ("3e-4", "1e-3", "6e-4", "0.003", "0.01"),
        1.2, 0.2, 0.8, 1.6, hot=1.0, often=0.45,
    ),
    Role(
        "matrix rate", ("MATRIX_LR", "MUON_LR", "HIDDEN_LR"), ("0.02", "0.04", "0.03", "0.01"),
        1.0, 0.1, 0.7, 1.6, hot=1.0, often=0.7,
    ),
    Role(
        "embedding rate", ("EMBEDDING_LR", "EMBED_LR", "WTE_LR"),
        ("0.6", "0.3", "0.2", "0.1", "0.4"),
        0.6, 0.2, 1.0, 1.3, flat=0.3, hot=0.3, often=0.65,
    ),
    Role(
        "output rate", ("UNEMBEDDING_LR", "HEAD_LR", "LM_HEAD_LR"),
        ("0.004", "0.008", "0.015", "0.002"),
        0.6, 0.2, 1.0, 1.4, flat=0.3, hot=0.4, often=0.6,
    ),
    Role(
        "scalar rate", ("SCALAR_LR", "RESID_LR", "GAIN_LR"), ("0.5", "0.04", "0.1", "0.01"),
        0.25, 0.0, 1.3, 1.2, flat=0.6, hot=0.3, often=0.5,
    ),
    Role(
        "decay", ("WEIGHT_DECAY", "WD", "MATRIX_DECAY"), ("0.1", "0.2", "0.0", "0.01", "0.05"),
        0.5, 0.0, 1.2, 1.2, flat=0.3, often=0.85,
    ),
    Role(
        "warm-up", ("WARMUP_RATIO", "WARMUP", "WARMUP_FRAC"), ("0.0", "0.05", "0.1", "0.02"),
        0.3, -0.1, 0.35, 1.2, flat=0.2, often=0.75,
    ),
    Role(
        "warm-down", ("WARMDOWN_RATIO", "COOLDOWN_FRAC", "WARMDOWN", "DECAY_FRAC"),
        ("0.5", "0.4", "0.3", "0.2"), 0.8, 1.3, 1.1, 0.8, flat=0.4, often=0.8,
    ),
    Role(
        "final rate", ("FINAL_LR_FRAC", "MIN_LR_RATIO", "FINAL_LR"), ("0.0", "0.1", "0.05"),
        0.45, 0.25, 0.35, 1.0, flat=0.1, often=0.7,
    ),
    Role(
        "beta1", ("BETA1", "ADAM_BETA1", "MOMENTUM", "MUON_MOMENTUM"), ("0.9", "0.8", "0.95"),
        0.35, 0.0, 0.6, flat=0.3, hot=0.2, often=0.55,
    ),
    Role(
        "beta2", ("BETA2", "ADAM_BETA2"), ("0.95", "0.99", "0.999"), 0.35, 0.0, 0.9, flat=0.4,
        often=0.5,
    ),
    Role(
        "dropout", ("DROPOUT", "DROP_RATE", "ATTN_DROPOUT"), ("0.0", "0.1", "0.2"), 0.7, -0.8, 0.5,
        often=0.3,
    ),
    Role(
        "clip", ("GRAD_CLIP", "CLIP_NORM", "MAX_GRAD_NORM"), ("1.0", "0.5", "0.0"), 0.2, 0.2, 1.0,
        flat=0.8, often=0.35,
    ),
    Role(
        "initial spread", ("INIT_STD", "EMBED_STD", "INIT_SCALE"), ("0.02", "1.0", "0.5"),
        0.35, 0.0, 1.0, flat=0.5, often=0.4,
    ),
    Role(
        "position base", ("ROPE_BASE", "ROPE_THETA"),
        ("10000.0", "10000", "500000.0"), 0.15, -0.5, 1.5,
        flat=1.0, often=0.3,
    ),
    Role(
        "cap", ("LOGIT_CAP", "SOFTCAP"),
        ("15.0", "30.0", "15"), 0.3, -0.2, 0.7, flat=0.4, often=0.3,
    ),
    Role("epsilon", ("ADAM_EPS", "EPS"), ("1e-8", "1e-10"), 0.05, 0.0, 2.0, flat=3.0, often=0.25),
    Role(
        "iterations", ("NEWTON_SCHULZ_STEPS", "NS_STEPS", "EVAL_EVERY"), ("5", "10", "100"),
        0.15, -0.2, 0.4, flat=0.3, often=0.2,
    ),
    Role(
        "smoothing", ("LABEL_SMOOTHING",), ("0.0", "0.1"), 0.5, -0.6, 0.4, often=0.1,
    ),
    Role(
        "pattern", ("WINDOW_PATTERN", "ATTN_PATTERN"), ('"SSSL"', '"L"', '"SSL"'), 0.4, often=0.35,
    ),
    Role(
        "activation", ("ACTIVATION", "ACT_FN"), ('"relu"', '"gelu"', '"silu"'), 0.5, often=0.35,
    ),
    Role(
        "switch", ("USE_BIAS", "TIE_WEIGHTS", "QK_NORM", "USE_COMPILE", "PARALLEL_BLOCK"),
        ("False", "True"), 0.4, often=0.45,
    ),
    Role(
        "other", ("ALPHA", "SIGMA_SCALE", "RESIDUAL_GAIN", "LAMBDA_MIX", "GROUPS"),
        ("1.0", "0.5", "0.1", "4", "2.0"), 0.15, 0.0, 1.5, flat=0.5, often=0.4,
    ),
)  # fmt: skip

# A sealed script's constants are sites whatever they are called.
ENTRY_POINTS = """\


def build_model(vocab_size, seq_len):
    ...


def train(model, run):
    ...
"""

COUPLED = ("depth", "width", "aspect", "head size", "heads", "mlp")
RATES = ("rate", "matrix rate", "embedding rate", "output rate", "scalar rate")


@dataclass(frozen=True)
class Knob:
    """A role under one name with one default: a site of a simulated script."""

    role: int  # in ROLES
    line: str
    site: Site
    view: View
    named: bool


@cache
def library() -> tuple[Knob, ...]:
    """Every knob that a simulated script can have, with its own names and with nameless ones."""
    knobs: list[Knob] = []
    for number, role in enumerate(ROLES):
        for literal in role.literals:
            for name in (*role.names, "X"):
                line = f"{name} = {literal}{_hint(role.name, literal)}"
                (site,) = find_sites(line + ENTRY_POINTS)
                knobs.append(Knob(number, line, site, view(site), name != "X"))
    return tuple(knobs)


def _hint(role: str, literal: str) -> str:
    """Strings need to be told their choices."""
    if not literal.startswith('"'):
        return ""
    choices = {"pattern": "L, SL, SSL, SSSL"}.get(role, "relu, gelu, silu, tanh, relu2")
    return f"  # arl: choices {choices}"
