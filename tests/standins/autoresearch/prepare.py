"""The fixed side of the stand-in: constants, made-up text, tokenizer, evaluation.

    python prepare.py

makes the data and the tokenizer once, in ~/.cache/autoresearch. It has the layout of
karpathy/autoresearch and its output format; text, tokenizer and model are small enough for pure
Python.
"""

import json
import math
import os
import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

# Constants that every experiment shares

MAX_SEQ_LEN = 64  # tokens of a row
TIME_BUDGET = float(os.environ.get("AUTORESEARCH_TIME_BUDGET", "300"))  # seconds of training
EVAL_TOKENS = 64 * 64  # tokens that are scored
# Not in the original: a test that wants the same score twice ends training by its steps.
MAX_STEPS = int(os.environ.get("AUTORESEARCH_MAX_STEPS", "1000000"))

# Where things lie

CACHE_DIR = Path("~/.cache/autoresearch").expanduser()
DATA_DIR = CACHE_DIR / "data"
TOKENIZER_DIR = CACHE_DIR / "tokenizer"
NUM_SHARDS = 3
VAL_SHARD = NUM_SHARDS - 1  # the last one is for validation alone
DOCUMENTS_PER_SHARD = 700
VOCAB_SIZE = 64
BOS_TOKEN = "<|bos|>"

_NOUNS = ["optimizer", "layer", "gradient", "token", "batch", "schedule", "weight", "model", "loss"]
_VERBS = ["scales", "trains", "clips", "updates", "averages", "doubles", "masks", "reads"]
_ADJECTIVES = ["deep", "small", "sparse", "noisy", "stable", "frozen", "early"]


# Data


def _document(draw):
    """A few sentences in which each word makes some of the next ones more likely."""
    sentences = []
    for _ in range(draw.randint(1, 3)):
        words = ["the"]
        if draw.random() < 0.4:
            words.append(draw.choice(_ADJECTIVES))
        subject = min(int(draw.expovariate(0.5)), len(_NOUNS) - 1)
        words += [_NOUNS[subject], _VERBS[(subject + draw.randint(0, 2)) % len(_VERBS)]]
        words += ["the", _NOUNS[(2 * subject + draw.randint(0, 1)) % len(_NOUNS)]]
        sentences.append(" ".join(words))
    return ". ".join(sentences) + "."


def make_data():
    """Write the shards, one document a line."""
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    for shard in range(NUM_SHARDS):
        draw = random.Random(shard)
        lines = [_document(draw) for _ in range(DOCUMENTS_PER_SHARD)]
        (DATA_DIR / f"shard_{shard:05d}.txt").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"Data: {NUM_SHARDS} shards in {DATA_DIR}")


def documents(split):
    """The documents of `train` or `val`."""
    shards = [VAL_SHARD] if split == "val" else range(VAL_SHARD)
    for shard in shards:
        path = DATA_DIR / f"shard_{shard:05d}.txt"
        if not path.exists():
            raise SystemExit(f"There is no {path}: run prepare.py first.")
        yield from path.read_text("utf-8").splitlines()


# Tokenizer


def _words(text):
    return [" " + word for word in text.split(" ")]


def _merged(pieces, pair):
    merged, at = [], 0
    while at < len(pieces):
        if tuple(pieces[at : at + 2]) == pair:
            merged.append(pair[0] + pair[1])
            at += 2
        else:
            merged.append(pieces[at])
            at += 1
    return merged


def train_tokenizer():
    """Merge the most frequent pairs until the vocabulary is full; write the list of tokens."""
    counts = Counter(word for text in documents("train") for word in _words(text))
    pieces = {word: list(word) for word in counts}
    tokens = [BOS_TOKEN, *sorted({letter for word in counts for letter in word})]
    merges = []
    while len(tokens) < VOCAB_SIZE:
        pairs = Counter()
        for word, parts in pieces.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        pair = max(pairs, key=lambda found: (pairs[found], found))
        merges.append(pair)
        tokens.append(pair[0] + pair[1])
        pieces = {word: _merged(parts, pair) for word, parts in pieces.items()}
    TOKENIZER_DIR.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"tokens": tokens, "merges": merges})
    (TOKENIZER_DIR / "tokenizer.json").write_text(text, "utf-8")
    print(f"Tokenizer: {len(tokens)} tokens in {TOKENIZER_DIR}")


class Tokenizer:
    """Between text and token ids; id 0 begins a document."""

    def __init__(self, tokens, merges):
        self.tokens = tokens
        self.merges = [tuple(pair) for pair in merges]
        self.ids = {token: number for number, token in enumerate(tokens)}
        self._known = {}

    @classmethod
    def from_directory(cls, folder=TOKENIZER_DIR):
        path = folder / "tokenizer.json"
        if not path.exists():
            raise SystemExit(f"There is no {path}: run prepare.py first.")
        return cls(**json.loads(path.read_text("utf-8")))

    def get_vocab_size(self):
        return len(self.tokens)

    def get_token_bytes(self):
        return [0, *(len(token.encode("utf-8")) for token in self.tokens[1:])]

    def encode(self, text):
        return [token for word in _words(text) for token in self._word(word)]

    def _word(self, word):
        if word not in self._known:
            pieces = list(word)
            for pair in self.merges:
                pieces = _merged(pieces, pair)
            self._known[word] = [self.ids[piece] for piece in pieces]
        return self._known[word]


def make_dataloader(tokenizer, batch_size, seq_len, split):
    """Batches (inputs, targets, epoch) for ever; each row has `seq_len` tokens."""
    tokens, epoch, rows = [], 1, []
    texts = list(documents(split))
    draw = random.Random(0)
    while True:
        for text in texts:
            tokens += [0, *tokenizer.encode(text)]
            while len(tokens) > seq_len:
                rows.append(tokens[: seq_len + 1])
                tokens = tokens[seq_len:]
                if len(rows) == batch_size:
                    yield [row[:-1] for row in rows], [row[1:] for row in rows], epoch
                    rows = []
        epoch += 1
        if split == "train":
            draw.shuffle(texts)


# Evaluation


def evaluate_bpb(model, tokenizer, batch_size):
    """Bits per byte of the validation text: nats over ln 2, by the bytes of the targets.

    Tokens without bytes count in neither.
    """
    token_bytes = tokenizer.get_token_bytes()
    batches = make_dataloader(tokenizer, batch_size, MAX_SEQ_LEN, "val")
    nats, length = 0.0, 0
    for _ in range(max(EVAL_TOKENS // (batch_size * MAX_SEQ_LEN), 1)):
        inputs, targets, _ = next(batches)
        for xs, ys in zip(inputs, targets, strict=True):
            for target, loss in zip(ys, model.losses(xs, ys), strict=True):
                if token_bytes[target]:
                    nats += loss
                    length += token_bytes[target]
    return nats / (math.log(2) * length)


if __name__ == "__main__":
    print(f"Cache directory: {CACHE_DIR}")
    make_data()
    train_tokenizer()
    print("Done.")
