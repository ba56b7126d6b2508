"""Builds an environment folder, step by step.

The work happens in `<name>.partial/`: each finished step leaves its files and a record of their
sums, so that a killed run goes on at the first unfinished step. The last act is one rename.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from env import manifest
from env.corpus import Corpus, Split, name_key
from env.errors import DataError
from env.manifest import CONSTANTS, MANIFEST, TOKEN_BYTES, TOKENIZER
from env.packing import encoded, pack, spread, target_counts, unigram_bpb, write_rows
from env.shards import new_file, open_rows, sync_folder
from env.tokenizer import Tokenizer

Progress = Callable[[str, float], None]
"""Called with the name of the step and how much of it is done, from 0 to 1."""

_SHARDS: Mapping[Split, str] = {
    "train": manifest.TRAIN,
    "val": manifest.VAL,
    "sealed": manifest.SEALED,
}
_SAMPLE_BYTES = 8_000_000  # what the tokenizer learns from
_VAL_CHOICE = 32  # validation rows are chosen from this many times the tokens that they need


class Build:
    """The steps that fill one environment folder."""

    def __init__(
        self,
        folder: Path,
        corpus: Corpus,
        vocab_size: int,
        seq_len: int,
        val_tokens: int,
        max_train_tokens: int,
    ) -> None:
        self._folder = folder
        self._corpus = corpus
        self._vocab_size = vocab_size
        self._seq_len = seq_len
        self._max_tokens: Mapping[Split, int] = {
            "train": max_train_tokens,
            "val": val_tokens * _VAL_CHOICE,
            "sealed": val_tokens * _VAL_CHOICE,
        }
        self._val_rows = max(1, val_tokens // seq_len)
        self._partial = folder.with_name(f"{folder.name}.partial")
        self._replaced = folder.with_name(f"{folder.name}.old")
        self._tree = self._partial / "tree"
        # The sum of the last step's record: a step that ran again makes those after it run again.
        self._previous = f"format {manifest.FORMAT_VERSION}"
        self._files: dict[str, str] = {}

    def forget(self) -> None:
        """Remove what an earlier run may have left beside the environment."""
        for leftover in (self._partial, self._replaced):
            if leftover.exists():
                shutil.rmtree(leftover)

    def run(self, report: Progress) -> None:
        """Do the steps that are not done yet, then publish the folder."""
        self._step("tokenizer", (TOKENIZER, TOKEN_BYTES), self._train_tokenizer, report)
        for split, shard in _SHARDS.items():
            self._step(split, (shard,), partial(self._write_rows, split), report)
        self._step("constants", (CONSTANTS,), self._write_constants, report)
        self._step("manifest", (MANIFEST,), self._write_manifest, report)
        sync_folder(self._tree)
        if self._folder.exists():
            os.rename(self._folder, self._replaced)
        os.rename(self._tree, self._folder)
        sync_folder(self._folder.parent)

    def _step(
        self,
        name: str,
        files: Sequence[str],
        action: Callable[[Callable[[float], None]], None],
        report: Progress,
    ) -> None:
        """Run one step, unless its record follows from the steps before and its files are whole."""
        report(name, 0.0)
        record_file = self._partial / f"{name}.json"
        sums = self._recorded(record_file)
        if sums is None:
            action(lambda fraction: report(name, min(1.0, fraction)))
            sums = {file: manifest.sha256_of(self._tree / file) for file in files}
            with new_file(record_file) as opened:
                record = {"previous": self._previous, "files": sums}
                opened.write(json.dumps(record, sort_keys=True).encode())
        self._files.update(sums)
        self._previous = manifest.sha256_of(record_file)
        report(name, 1.0)

    def _recorded(self, record_file: Path) -> dict[str, str] | None:
        """The sums of a finished step's files; None where the step must run."""
        if not record_file.exists():
            return None
        record = json.loads(record_file.read_bytes())
        if record["previous"] != self._previous:
            return None
        sums: dict[str, str] = record["files"]
        for file, recorded in sums.items():
            path = self._tree / file
            if not path.exists() or manifest.sha256_of(path) != recorded:
                return None
        return sums

    def _train_tokenizer(self, report: Callable[[float], None]) -> None:
        size = self._corpus.sizes["train"].text_bytes
        share = min(1.0, _SAMPLE_BYTES / size)

        def sample() -> Iterator[str]:
            read = 0
            for document in self._corpus.documents("train"):
                # A key of its own, so that the sample is spread over all of the split; the first
                # document is always in it, so that it is never empty.
                if not read or name_key(f"tokenizer {document.name}") <= share * 2**64:
                    yield document.text[:_SAMPLE_BYTES]
                    read += len(document.text)
                    # The merges are learnt after the reading, in about as much time.
                    report(0.5 * read / (share * size))

        tokenizer = Tokenizer.train(sample(), self._vocab_size)
        with new_file(self._tree / TOKENIZER) as file:
            file.write(tokenizer.to_json().encode())
        with new_file(self._tree / TOKEN_BYTES) as file:
            file.write(tokenizer.token_bytes().tobytes())

    def _write_rows(self, split: Split, report: Callable[[float], None]) -> None:
        tokenizer = self._tokenizer()
        size = self._corpus.sizes[split].text_bytes
        most = self._max_tokens[split]
        rows = pack(
            encoded(
                (document.text for document in self._corpus.documents(split)),
                tokenizer,
                most,
                lambda read, made: report(max(read / size, made / most)),
            ),
            row_tokens=self._seq_len + 1,
            bos_id=tokenizer.bos_id,
            dtype=tokenizer.dtype,
        )
        if split != "train":
            packed = list(rows)
            rows = (packed[index] for index in spread(len(packed), self._val_rows))
        if not write_rows(rows, self._tree / _SHARDS[split]):
            raise DataError(
                f"There is too little text: the {size} bytes of the {split} split fill no row of "
                f"{self._seq_len + 1} tokens; add text, or choose a shorter sequence length."
            )

    def _write_constants(self, report: Callable[[float], None]) -> None:
        tokenizer = self._tokenizer()
        token_bytes = tokenizer.token_bytes()
        shards = {
            split: open_rows(self._tree / file, self._seq_len, tokenizer.dtype)
            for split, file in _SHARDS.items()
        }
        counts = {
            split: target_counts(rows, tokenizer.vocab_size) for split, rows in shards.items()
        }
        constants: dict[str, Any] = {
            "format": manifest.FORMAT_VERSION,
            "name": self._folder.name,
            "corpus": {
                "name": self._corpus.name,
                "version": self._corpus.version,
                "checksum": self._corpus.checksum,
                "documents": {s: size.documents for s, size in self._corpus.sizes.items()},
            },
            "vocab_size": tokenizer.vocab_size,
            "seq_len": self._seq_len,
            "bos_id": tokenizer.bos_id,
            "dtype": tokenizer.dtype,
            "rows": {split: len(rows) for split, rows in shards.items()},
            "text_bytes": {split: int(count @ token_bytes) for split, count in counts.items()},
            "unigram_bpb": unigram_bpb(counts["train"], counts["val"], token_bytes),
        }
        with new_file(self._tree / CONSTANTS) as file:
            file.write(json.dumps(constants, indent=1, sort_keys=True).encode())

    def _write_manifest(self, report: Callable[[float], None]) -> None:
        content = {"format": manifest.FORMAT_VERSION, "files": self._files}
        with new_file(self._tree / MANIFEST) as file:
            file.write(json.dumps(content, indent=1, sort_keys=True).encode())

    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self._tree / TOKENIZER)
