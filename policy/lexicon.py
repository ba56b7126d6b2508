"""What a site's name says: the concepts of training that its words belong to.

A name is read as a set of words, so that `MATRIX_LR`, `lr_matrix` and `MatrixLR` say the same. A
word that nobody lists says nothing, and a policy has to do without it.
"""

from __future__ import annotations

import re
from functools import cache

_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")

# Each concept, and the beginnings of the words that mean it.
_CONCEPTS: tuple[tuple[str, str], ...] = (
    ("learning rate", r"lr|rate|learning"),
    ("decay", r"decay|wd|regular"),
    ("weight", r"weight"),
    ("batch", r"batch|bs|bsz|accum"),
    ("on a device", r"device|micro|local"),
    ("total", r"total|global|effective"),
    ("depth", r"depth|layer|block|nlayer"),
    ("width", r"width|dim|hidden|embd|model|channel|size"),
    ("proportion", r"ratio|aspect|mult|expan|factor|frac|share|pct|percent"),
    ("head", r"head|kv|query|gqa"),
    ("embedding", r"emb|wte|token|vocab"),
    ("output", r"unemb|lm|output|readout|logit|proj"),
    ("matrix", r"matri|muon|ortho|newton|kernel"),
    ("scalar", r"scalar|gain|bias|lambda|resid"),
    ("warm-up", r"warm(up)?$|ramp"),
    ("warm-down", r"warmdown|cool|anneal|down|decline"),
    ("final", r"final|min|end|floor|last"),
    ("momentum", r"beta|moment|mom$|ema|polyak"),
    ("clipping", r"clip|grad"),
    ("norm", r"norm|rms|qk"),
    ("initial spread", r"init|std|scale|sigma"),
    ("dropout", r"drop"),
    ("smoothing", r"smooth|label"),
    ("epsilon", r"eps"),
    ("attention", r"window|pattern|attn|attent|causal"),
    ("length", r"seq|len|context|block$"),
    ("position", r"rope|rotary|theta|base|pos"),
    ("cap", r"cap|softcap|temper|tanh"),
    ("activation", r"act|gelu|relu|gate|glu|swish"),
    ("schedule", r"sched|cosine|linear|shape|wsd"),
    ("iterations", r"step|iter|every|epoch|round|interval"),
    ("mlp", r"mlp|ffn|ff$|feed|inter"),
)
CONCEPTS = tuple(name for name, _ in _CONCEPTS)
_PATTERNS = tuple(re.compile(rf"(?:{words})") for _, words in _CONCEPTS)


def words(name: str) -> tuple[str, ...]:
    """The words of an identifier, in lower case, without numbers."""
    return tuple(w.lower() for w in _WORD.findall(name) if not w.isdigit())


@cache
def concepts(name: str) -> tuple[float, ...]:
    """1.0 for every concept of `CONCEPTS` that the name touches, else 0.0."""
    found = words(name)
    return tuple(float(any(p.match(word) for word in found)) for p in _PATTERNS)
