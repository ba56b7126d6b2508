"""Prepare an environment once: `python -P -m env.prepare`."""

import argparse
import errno
import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs

from env import manifest
from env.build import Build, Progress
from env.corpus import Corpus, SympyCorpus
from env.errors import DataError, DiskFullError
from env.manifest import Environment
from env.sources import folder_corpus, hub_corpus
from env.tokenizer import SMALLEST_VOCAB

VOCAB_SIZE = 2048
SEQ_LEN = 256
VAL_TOKENS = 65_536
"""Targets in each validation shard: one or two seconds of scoring on a CPU core."""
MAX_TRAIN_TOKENS = 200_000_000

EXIT_DATA = 5
EXIT_DISK_FULL = 9

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
            build = Build(folder, corpus, vocab_size, seq_len, val_tokens, max_train_tokens)
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
