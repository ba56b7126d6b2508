"""Build an environment folder once: `python -P -m env.prepare`.

The work happens in `<name>.partial/`: each finished step leaves its files and a record of their
sums, so that a killed run goes on at the first unfinished step. The last act is one rename.
"""

import argparse
import errno
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs

from env import manifest
from env.corpus import Corpus, Split, SympyCorpus, name_key
from env.errors import DataError, DiskFullError
from env.manifest import CONSTANTS, MANIFEST, TOKEN_BYTES, TOKENIZER, Environment
from env.packing import (
    encoded,
    pack,
    spread,
    target_counts,
    unigram_bpb,
    write_rows,
)
from env.shards import new_file, open_rows, sync_folder
from env.sources import folder_corpus, hub_corpus
from env.tokenizer import SMALLEST_VOCAB, Tokenizer

Progress = Callable[[str, float], None]
"""Called with the name of the step and how much of it is done, from 0 to 1."""

VOCAB_SIZE = 2048
SEQ_LEN = 256
VAL_TOKENS = 65_536
"""Targets in each validation shard: one or two seconds of scoring on a CPU core."""
MAX_TRAIN_TOKENS = 200_000_000

EXIT_DATA = 5
EXIT_DISK_FULL = 9

_SHARDS: Mapping[Split, str] = {
    "train": manifest.TRAIN,
    "val": manifest.VAL,
    "sealed": manifest.SEALED,
}
_SAMPLE_BYTES = 8_000_000  # what the tokenizer learns from
_VAL_CHOICE = 32  # validation rows are chosen from this many times the tokens that they need
_BYTES_PER_TOKEN = 5  # a generous guess, for how much of a large folder to look at
_LEAST_BYTES = 1 << 26  # of a folder are looked at, however few tokens are asked for


def prepare(
    *,
    cache: Path | None = None,
    data: Path | None = None,
    hub: str | None = None,
    vocab_size: int = VOCAB_SIZE,
    seq_len: int = SEQ_LEN,
    val_tokens: int = VAL_TOKENS,
    max_train_tokens: int = MAX_TRAIN_TOKENS,
    force: bool = False,
    progress: Progress | None = None,
) -> Environment:
    """Return the environment for these settings; build it first where it is missing.

    The text is the default corpus, a folder or file (`data`), or a dataset of the hub (`hub`).
    Only one process builds an environment at a time; another one waits for it. `force` builds
    from scratch. Raises DataError for data that cannot be used, and DiskFullError.
    """
    report = progress or (lambda step, fraction: None)
    if data is not None and hub is not None:
        raise DataError("Give either a folder of data or a dataset of the hub, not both.")
    for what, number, least, most in (
        ("vocabulary size", vocab_size, SMALLEST_VOCAB, 1 << 20),
        ("sequence length", seq_len, 1, 1 << 20),
        ("number of validation tokens", val_tokens, 1, 1 << 40),
        ("number of training tokens", max_train_tokens, 1, 1 << 40),
    ):
        if not least <= number <= most:
            raise DataError(f"The {what} must be from {least} to {most}, not {number}.")
    with _plain_errors():
        corpus = _corpus(data, hub, max_train_tokens, report)
        settings = f"v{vocab_size}-t{seq_len}"
        if (val_tokens, max_train_tokens) != (VAL_TOKENS, MAX_TRAIN_TOKENS):
            settings += f"-n{max_train_tokens}-e{val_tokens}"
        name = f"{corpus.name}-{corpus.version}-{settings}"
        folder = (cache or default_cache()).absolute() / "environments" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(folder.with_name(f"{name}.lock"), report):
            build = _Build(folder, corpus, vocab_size, seq_len, val_tokens, max_train_tokens)
            if force:
                build.forget()
            if force or not folder.exists():
                build.run(report)
            build.forget()
            return manifest.load(folder)


def default_cache() -> Path:
    """The folder named by ARL_CACHE, else `arl-tui` in the user's cache folder."""
    named = os.environ.get("ARL_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("arl-tui")


class _Build:
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


def _corpus(data: Path | None, hub: str | None, max_tokens: int, report: Progress) -> Corpus:
    max_bytes = max(_LEAST_BYTES, max_tokens * _BYTES_PER_TOKEN)
    if data is not None:
        return folder_corpus(data, max_bytes)
    if hub is not None:
        return hub_corpus(hub, max_bytes, lambda fraction: report("download", fraction))
    return SympyCorpus()


@contextmanager
def _only_one(lock: Path, report: Progress) -> Iterator[None]:
    """Hold the lock of an environment; the kernel lets go of it when this process ends."""
    with open(lock, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("waiting for another prepare", 0.0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                "The disk is full: free some room and prepare again; it goes on where it stopped."
            ) from error
        where = f" {error.filename}" if error.filename else ""
        raise DataError(
            f"Cannot use{where} ({error.strerror or error}): check the data folder and the "
            "cache folder (--cache or ARL_CACHE)."
        ) from error


class _Printer:
    """Tells the person, or with `as_json` the program, that started this process."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last = ("", -1.0)

    def progress(self, step: str, fraction: float) -> None:
        if self._as_json:
            if step != self._last[0] or fraction - self._last[1] >= 0.01:
                self._last = (step, fraction)
                self._json({"type": "progress", "step": step, "fraction": round(fraction, 3)})
        elif step != self._last[0]:
            self._last = (step, fraction)
            _say(f"{step} ...")

    def done(self, environment: Environment, seconds: float) -> None:
        if self._as_json:
            self._json(
                {
                    "type": "done",
                    "path": str(environment.path),
                    "name": environment.name,
                    "digest": environment.digest,
                    "vocab_size": environment.vocab_size,
                    "seq_len": environment.seq_len,
                    "rows": dict(environment.rows),
                    "unigram_bpb": environment.unigram_bpb,
                    "seconds": round(seconds, 3),
                }
            )
        else:
            targets = {split: n * environment.seq_len for split, n in environment.rows.items()}
            _say(
                f"Ready in {seconds:.1f} s: {environment.path}\n"
                f"{targets['train']:,} training targets, {targets['val']:,} in each validation "
                f"shard at most; {environment.vocab_size} tokens; "
                f"unigram {environment.unigram_bpb:.3f} bits per byte."
            )

    def error(self, message: str) -> None:
        if self._as_json:
            # A file's name may hold bytes that are no text, which strict readers of JSON refuse.
            readable = message.encode("utf-8", "backslashreplace").decode()
            self._json({"type": "error", "message": readable})
        else:
            print(message, file=sys.stderr)

    def _json(self, message: Mapping[str, Any]) -> None:
        _say(json.dumps(message))


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Nobody listens any more; stop without a word. What is finished stays finished.
        os._exit(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare and print; returns the exit status: 0, 5 for unusable data, 9 for a full disk."""
    parser = argparse.ArgumentParser(prog="env.prepare", description="Build an environment once.")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, help="folder of .parquet, .jsonl or .txt files")
    source.add_argument("--hub", metavar="DATASET", help="dataset of the Hugging Face hub")
    parser.add_argument("--cache", type=Path, help="where environments are kept")
    parser.add_argument("--vocab-size", type=int, default=VOCAB_SIZE)
    parser.add_argument("--seq-len", type=int, default=SEQ_LEN)
    parser.add_argument("--val-tokens", type=int, default=VAL_TOKENS)
    parser.add_argument("--max-train-tokens", type=int, default=MAX_TRAIN_TOKENS)
    parser.add_argument("--force", action="store_true", help="build again from scratch")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    options = vars(parser.parse_args(arguments))
    printer = _Printer(options.pop("json"))
    started = time.monotonic()
    try:
        environment = prepare(progress=printer.progress, **options)
    except DataError as error:
        printer.error(str(error))
        return EXIT_DISK_FULL if isinstance(error, DiskFullError) else EXIT_DATA
    except KeyboardInterrupt:
        printer.error("Interrupted; prepare again and it goes on where it stopped.")
        return 130
    printer.done(environment, time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
