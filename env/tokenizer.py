"""A byte-level byte-pair tokenizer with one special token, BOS."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Self

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers, trainers

from env.errors import DataError
from env.shards import Tokens, dtype_for, stored_dtype

BOS = "<|bos|>"
SMALLEST_VOCAB = 257
"""Every byte, and BOS."""

# Words with one leading mark or space, numbers in groups of two digits, punctuation runs, and
# white space that leaves its last character to the word after it: merges never cross these.
_WORDS = (
    r"'(?i:s|t|d|m|ll|ve|re)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}{1,2}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
# Longer texts are encoded in pieces, which bounds the memory of one encoding.
_PIECE_CHARS = 1 << 20


class Tokenizer:
    """Text to token ids and back, without loss.

    BOS is the last id and is unknown to the byte-pair model, so no text can spell it: the literal
    `<|bos|>` in a document is encoded as the ordinary characters that it is.
    """

    def __init__(self, model: tokenizers.Tokenizer) -> None:
        self._model = model
        self.bos_id: int = model.get_vocab_size()
        self.vocab_size: int = self.bos_id + 1

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> Self:
        """Learn the merges from `texts`.

        Little text can run out of merges: read the real size back from `vocab_size`. Raises
        DataError when there is no room for every byte and BOS.
        """
        if vocab_size < SMALLEST_VOCAB:
            raise DataError(
                f"The vocabulary size {vocab_size} is too small: it must be at least "
                f"{SMALLEST_VOCAB}, for every byte and {BOS}."
            )
        model = tokenizers.Tokenizer(models.BPE())
        model.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(tokenizers.Regex(_WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        model.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - 1,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[],
            show_progress=False,
        )
        model.train_from_iterator(texts, trainer)
        return cls(model)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a `tokenizer.json`; raises DataError when it is not one."""
        try:
            return cls(tokenizers.Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises plain Exception for every kind of fault
            raise DataError(f"Cannot read the tokenizer {path}: {error}") from error

    def to_json(self) -> str:
        """The text of `tokenizer.json`; equal training text gives equal bytes."""
        return self._model.to_str()

    @property
    def dtype(self) -> str:
        """The name of the type in which shards store these tokens."""
        return dtype_for(self.vocab_size)

    def token_bytes(self) -> NDArray[np.int32]:
        """UTF-8 bytes of each token, int32[vocab_size]; 0 for BOS."""
        lengths = np.zeros(self.vocab_size, dtype="<i4")
        for token, index in self._model.get_vocab().items():
            # In the byte-level alphabet one character stands for one byte.
            lengths[index] = len(token)
        return lengths

    def encode_batch(self, texts: Sequence[str]) -> list[Tokens]:
        """Token ids of each text, without BOS."""
        pieces = [
            (number, text[start : start + _PIECE_CHARS])
            for number, text in enumerate(texts)
            for start in range(0, len(text), _PIECE_CHARS)
        ]
        encoded = self._model.encode_batch_fast(
            [piece for _, piece in pieces], add_special_tokens=False
        )
        stored = stored_dtype(self.dtype)
        ids: list[list[Tokens]] = [[np.empty(0, stored)] for _ in texts]
        for (number, _), encoding in zip(pieces, encoded, strict=True):
            ids[number].append(np.array(encoding.ids, dtype=stored))
        return [np.concatenate(parts) for parts in ids]

    def encode(self, text: str) -> list[int]:
        """Token ids of one text, without BOS."""
        return [int(token) for token in self.encode_batch([text])[0]]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; BOS is shown as `<|bos|>`, bytes that are no text as U+FFFD."""
        return "".join(
            BOS * len(run) if special else self._model.decode(run, skip_special_tokens=False)
            for special, group in groupby(ids, key=lambda index: index == self.bos_id)
            if (run := list(group))
        )
