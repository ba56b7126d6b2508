"""What a study is asked to do: `arl.toml`, the command line, and their defaults in one model."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from engine.setting_types import (
    AbsolutePath,
    Count,
    Finite,
    NotNegative,
    NotNegativeCount,
    Positive,
    Table,
)
from engine.target_settings import Access, Git, Metric, Progress, Target
from env.clock import ClockKind

FILE = "arl.toml"


class SettingsError(Exception):
    """A setting that cannot be used: the sentence names the key, the value, and what is allowed."""


class Data(Table):
    """What is trained on and scored against; neither source: the embedded text."""

    dir: AbsolutePath | None = None  # a folder of .parquet, .jsonl or .txt files
    hub: str | None = None  # a data set on the Hugging Face hub
    vocab_size: Annotated[int, Field(ge=257, le=262_144)] = 2048
    seq_len: Annotated[int, Field(ge=8, le=65_536)] = 256


class BudgetTable(Table):
    """What one experiment may spend."""

    seconds: Positive | None = None  # T_max; a number of batches with the clock `steps`
    clock: ClockKind | None = None  # none: wall on a GPU, cpu on a CPU
    startup_seconds: Positive = 120.0
    wall_cap: Positive | None = None  # the most wall seconds of training; none: from the budget


class Policy(Table):
    """Who proposes edits."""

    name: str = "ppo"
    options: dict[str, Any] = Field(default_factory=dict)


class Slots(Table):
    """Where experiments run."""

    devices: str = "auto"  # cpu, cpu*2, cuda:0, cuda:0,cuda:1
    threads: Count | None = None  # none: one; a command target's share of the processors
    memory_gb: Positive | None = None  # per slot; none: a share of the machine
    warm: bool = True  # start the next trial's process while one trains


class Convergence(Table):
    """When going on is pointless: the next experiments hardly gain anything. See convergence.py."""

    experiments: Annotated[int, Field(ge=1, le=100_000)] = 50  # how far it looks ahead
    epsilon: NotNegative = 0.0  # a gain is more than so much, in the metric's unit
    delta: Annotated[float, Field(ge=0.001, le=0.5)] = 0.1  # the chance of one that is too small


def _switch(value: object) -> object:
    """`convergence = false` is off, `true` is the default."""
    return (Convergence() if value else None) if isinstance(value, bool) else value


class Limits(Table):
    """When the termination oracle stops the study; an absent limit is off."""

    max_experiments: Count | None = None  # in total, baseline and replicates included
    max_after_baseline: Count | None = None  # besides the baseline and its replicates
    max_hours: Positive | None = None  # that the study has run in all
    max_device_hours: Positive | None = None  # in which trials occupied a slot, over all slots
    max_kwh: Positive | None = None  # that the devices have used
    price_per_hour: Positive | None = None  # of the machine, in any currency
    max_cost: Positive | None = None  # in the same
    target_bpb: Finite | None = None  # a score of the incumbent that is good enough
    min_disk_gb: NotNegative = 0.5
    min_memory_gb: NotNegative = 0.0  # of the machine, that must stay free
    max_failures_alike: NotNegativeCount = 10  # candidates in a row, for one reason
    max_failures: NotNegativeCount = 25  # candidates in a row, for any reason
    max_rerun_failures: NotNegativeCount = 2  # runs of the incumbent in a row
    convergence: Annotated[Convergence | None, BeforeValidator(_switch)] = Convergence()

    @model_validator(mode="after")
    def _priced(self) -> Limits:
        if self.max_cost is not None and self.price_per_hour is None:
            raise ValueError("limits.max_cost needs limits.price_per_hour")
        return self


class Acceptance(Table):
    """How sure a gain must be before it is kept."""

    replicates: Annotated[int, Field(ge=1, le=16)] = 2  # re-runs of the baseline at the start
    incumbent_runs: Annotated[int, Field(ge=2, le=32)] = 8  # at most, when a test asks for them
    max_confirmations: Annotated[int, Field(ge=2, le=16)] = 4  # fresh runs of a candidate
    screen: NotNegative = 1.4  # gain, in sigma, that is worth a test
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05  # of any false promotion in a study
    sentinel_every: Annotated[int, Field(ge=0)] = 20  # candidates from one to the next; 0: none
    drift: Annotated[float, Field(ge=0, lt=0.5)] = 0.01  # of a false drift in a study; 0: no test


class SelfEvaluation(Table):
    """When a running candidate is hopeless, and is aborted."""

    enabled: bool = True
    rule: Literal["conformal", "sprt"] = "conformal"
    alpha: NotNegative = 0.0  # the threshold lies so many spreads of the forecast above the best
    false_aborts: Annotated[float, Field(ge=0.01, lt=0.5)] = 0.05  # promised, among good runs
    audit: Annotated[float, Field(gt=0, le=1)] = 0.1  # of the hopeless runs, let run to their end
    evidence: Annotated[int, Field(ge=20, le=200)] = 30  # finished curves, before any abort


class Review(Table):
    """Supervised mode: a person approves or vetoes each candidate before it runs."""

    supervised: bool | None = None  # none: as it was left, which is off in a new study
    ahead: Annotated[int, Field(ge=1, le=32)] = 3  # candidates that wait at most
    auto_approve_seconds: Positive | None = None  # approve what has waited this long; none: never


class Notify(Table):
    """Whom to tell what happens; it belongs to a machine, and is not kept in the study."""

    command: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None  # for the shell


class Tui(Table):
    """How the screen behaves; no study depends on it."""

    low_bandwidth: bool = False  # look every 2 s, and animate nothing


class Settings(Table):
    """The effective settings of a study."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = "study"
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    sandbox: Literal["auto", "required", "off"] = "auto"
    target: Target = Target()
    metric: Metric = Metric()
    progress: Progress = Progress()
    access: Access = Access()
    git: Git = Git()
    data: Data = Data()
    budget: BudgetTable = BudgetTable()
    policy: Policy = Policy()
    slots: Slots = Slots()
    limits: Limits = Limits()
    acceptance: Acceptance = Acceptance()
    selfeval: SelfEvaluation = SelfEvaluation()
    review: Review = Review()
    notify: Notify = Notify()
    tui: Tui = Tui()
    keys: dict[str, str] = Field(default_factory=dict)  # a binding's id: its keys, by commas

    @field_validator("keys", mode="before")
    @classmethod
    def _flat(cls, keys: object) -> object:
        return dict(_flattened(keys)) if isinstance(keys, Mapping) else keys

    @model_validator(mode="after")
    def _reachable(self) -> Settings:
        target = self.limits.target_bpb
        if self.target.command is None and target is not None and target <= 0:
            raise ValueError(
                f"limits.target_bpb = {target!r} is not allowed: bits per byte are greater than 0"
            )
        return self

    @field_validator("data")
    @classmethod
    def _one_source(cls, data: Data) -> Data:
        if data.dir is not None and data.hub is not None:
            raise ValueError("give either data.dir or data.hub, not both")
        return data


def _flattened(keys: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """`review.approve = "x"` is a table in TOML and `"review.approve" = "x"` is not: both do."""
    for name, value in keys.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{above}{name}.")
        elif isinstance(value, list) and all(isinstance(key, str) for key in value):
            yield f"{above}{name}", ",".join(value)
        else:
            yield f"{above}{name}", value


def load_file(path: Path) -> dict[str, Any]:
    """The tables of an `arl.toml`. Raises SettingsError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from error


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One set of tables from several; a later layer wins key by key. None means not given."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping):
                below = merged.get(key)
                merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
            elif value is not None:
                merged[key] = value
    return merged


def validate(tables: Mapping[str, Any], origin: str = "the settings") -> Settings:
    """The settings that `tables` give. Raises SettingsError in one sentence."""
    try:
        return Settings.model_validate(tables)
    except ValidationError as error:
        raise SettingsError(f"In {origin}: {'; '.join(_problems(error))}.") from error


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{key} is no setting; allowed here: {', '.join(_siblings(problem['loc']))}"
        elif problem["type"] == "value_error":
            where = f"{key}: " if len(problem["loc"]) > 1 else ""  # a table's own says which key
            yield f"{where}{problem['ctx']['error']}"
        else:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            yield f"{key} = {problem['input']!r} is not allowed: {message}"


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        inner = model.model_fields[str(part)].annotation
        tables = [
            table
            for table in (inner, *get_args(inner))
            if isinstance(table, type) and issubclass(table, BaseModel)
        ]
        if not tables:
            break
        model = tables[0]
    return sorted(model.model_fields)
