"""A prepared environment: what it holds, and proof that nothing of it has changed."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.errors import DataError

FORMAT_VERSION = 1

TRAIN = "train/train.bin"
VAL = "validation/val.bin"
SEALED = "validation/sealed.bin"
TOKEN_BYTES = "validation/token_bytes.bin"
TOKENIZER = "tokenizer.json"
CONSTANTS = "constants.json"
MANIFEST = "manifest.json"
DATA_FILES = (CONSTANTS, TOKENIZER, TRAIN, SEALED, TOKEN_BYTES, VAL)

_CODE = Path(__file__).parent
# Every other module of env runs while experiments run. A new module is frozen unless named here.
_PREPARATION = frozenset(
    {"build.py", "corpus.py", "packing.py", "prepare.py", "sources.py", "tokenizer.py"}
)
# Nor are those that only command targets use: they score themselves, with nothing of ours.
_OF_COMMANDS = frozenset(
    {
        "access.py",
        "command_environment.py",
        "command_view.py",
        "command_watch.py",
        "interpreters.py",
        "output_scan.py",
    }
)


@dataclass(frozen=True, slots=True)
class Environment:
    """A verified environment folder.

    Scores are comparable only between equal digests. `digest` covers `data_digest` (data,
    tokenizer and constants) and `code_digest` (the run-time code of env). `rows` and `text_bytes`
    (UTF-8 bytes of the targets) go by `train`, `val` and `sealed`.
    """

    path: Path
    name: str
    digest: str
    data_digest: str
    code_digest: str
    corpus: str
    vocab_size: int
    seq_len: int
    bos_id: int
    dtype: str
    rows: Mapping[str, int]
    text_bytes: Mapping[str, int]
    unigram_bpb: float

    @property
    def train(self) -> Path:
        """The training shard."""
        return self.path / TRAIN

    @property
    def val(self) -> Path:
        """The validation shard; no trial process may see it."""
        return self.path / VAL

    @property
    def sealed(self) -> Path:
        """The second validation shard, for what must not be searched against."""
        return self.path / SEALED

    @property
    def token_bytes(self) -> Path:
        """UTF-8 bytes of each token: int32[vocab_size], little-endian; 0 for BOS."""
        return self.path / TOKEN_BYTES

    @property
    def tokenizer(self) -> Path:
        """The tokenizer, as the `tokenizers` library saves it."""
        return self.path / TOKENIZER


def load(path: str | os.PathLike[str]) -> Environment:
    """Read an environment folder and check the SHA-256 of every file in it.

    Raises DataError that names the first file that differs.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise DataError(f"There is no prepared environment in {folder}: run `arl-tui prepare`.")
    manifest = _read_json(folder / MANIFEST)
    recorded = manifest.get("files")
    if manifest.get("format") != FORMAT_VERSION or not isinstance(recorded, dict):
        raise DataError(
            f"The environment in {folder} was made by another version of arl-tui: "
            "run `arl-tui prepare --force`."
        )
    found = {name: sha256_of(folder / name) for name in DATA_FILES}
    for name in DATA_FILES:
        if found[name] != recorded.get(name):
            raise DataError(
                f"{folder / name} is not the file that was prepared: run `arl-tui prepare --force`."
            )
    constants = _read_json(folder / CONSTANTS)
    data, code = data_digest(found), code_digest()
    try:
        return Environment(
            path=folder.absolute(),
            name=constants["name"],
            digest=_digest({"data": data, "code": code}),
            data_digest=data,
            code_digest=code,
            corpus="{name} {version}".format(**constants["corpus"]),
            vocab_size=constants["vocab_size"],
            seq_len=constants["seq_len"],
            bos_id=constants["bos_id"],
            dtype=constants["dtype"],
            rows=constants["rows"],
            text_bytes=constants["text_bytes"],
            unigram_bpb=constants["unigram_bpb"],
        )
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{folder / CONSTANTS} is incomplete: run `arl-tui prepare --force`."
        ) from error


def runtime_files() -> tuple[Path, ...]:
    """The code of env that runs while its experiments run, in the order of names."""
    others = _PREPARATION | _OF_COMMANDS
    return tuple(file for file in sorted(_CODE.glob("*.py")) if file.name not in others)


def code_digest() -> str:
    """SHA-256 (hex) over the run-time code of env."""
    return _digest({file.name: sha256_of(file) for file in runtime_files()})


def data_digest(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) over data files: names relative to the environment, with their SHA-256."""
    return _digest(files)


def sha256_of(file: Path) -> str:
    """SHA-256 (hex) of a file; raises DataError when it cannot be read."""
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"Cannot read {file} ({error.strerror}): run `arl-tui prepare --force`."
        ) from error


def _digest(named: Mapping[str, str]) -> str:
    lines = "".join(f"{named[name]}  {name}\n" for name in sorted(named))
    return hashlib.sha256(lines.encode()).hexdigest()


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as JSON: run `arl-tui prepare --force`.") from error
    if not isinstance(content, dict):
        raise DataError(f"{file} holds no JSON object: run `arl-tui prepare --force`.")
    return content
