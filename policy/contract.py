"""What a policy is: it is asked for proposals, and told what became of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast, get_args

from target import gate
from target.diff import unified_diff
from target.edit import Edit, EditError, apply, describe
from target.sites import find_sites
from target.source import SourceError

Status = Literal["keep", "discard", "abort", "crash", "timeout", "oom", "invalid", "veto"]

FAILURES: Final[tuple[Status, ...]] = ("crash", "oom", "timeout", "invalid")  # without a score


class PolicyError(ValueError):
    """A policy that cannot be made, resumed or used as asked; one sentence for people."""


class PolicyExhausted(PolicyError):
    """Every edit that the policy can make has been tried."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an experiment ended.

    `val_bpb` is the study's score, always lower-is-better, and None without a score. `seconds` are
    seconds of training; `peak_memory_mb` are mebibytes.
    """

    status: Status
    val_bpb: float | None = None
    seconds: float | None = None
    peak_memory_mb: float | None = None

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            known = ", ".join(get_args(Status))
            raise PolicyError(f"there is no status {self.status!r}: it is one of {known}")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """An edit of `parent` that makes the candidate `source`.

    `number` counts the policy's asks from 0. `log_prob` is that of the edit when it was sampled;
    None where nothing was sampled from a learned distribution, or where a person amended the
    source.
    """

    number: int
    parent: str
    edit: Edit
    source: str
    diff: str
    log_prob: float | None = None
    why: str = ""

    def to_record(self) -> dict[str, Any]:
        """Plain values for JSON or a database."""
        return {**asdict(self), "edit": self.edit.to_json()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Proposal:
        """The proposal that `to_record` wrote; unknown keys are left alone."""
        try:
            known = {name: record[name] for name in cls.__dataclass_fields__}
            return cls(**{**known, "edit": Edit.from_json(known["edit"])})
        except (KeyError, EditError) as error:
            raise PolicyError(f"this is not the record of a proposal: {error}") from None

    def amended(self, source: str) -> Proposal:
        """The same proposal with a source that a person has changed: nobody sampled that."""
        record = self.to_record() | {
            "source": source,
            "diff": unified_diff(self.parent, source),
            "log_prob": None,
            "why": f"{self.why} (amended)".strip(),
        }
        return Proposal.from_record(record)


class Policy(ABC):
    """Proposes edits of the incumbent, from asks and tells alone.

    The incumbent is the source as given until a tell says `keep`: then it is that candidate,
    however late the tell comes and whatever its parent was.
    """

    name: str

    @abstractmethod
    def ask(self) -> Proposal:
        """The next proposal. Raises PolicyExhausted when there is nothing left to try."""

    @abstractmethod
    def tell(self, proposal: Proposal, outcome: Outcome) -> None:
        """What became of a proposal; in any order, with others outstanding."""

    def observe(self, source: str, outcome: Outcome) -> None:  # noqa: B027
        """What became of a run that nobody asked the policy for: baseline, replicate, sentinel."""

    def insight(self) -> dict[str, Any]:
        """What it now thinks, for people: plain values for JSON, any of these keys.

        `metrics` of the last update by name, `updates` so far, the critic's `value`, and `sites`:
        pairs of a site's name and the probability that the next edit begins there, best first.
        """
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that the policy knows: one that loads it goes on in exactly the same way."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`. Raises PolicyError when it belongs to another policy."""


def propose(
    edit: Edit,
    parent: str,
    *,
    number: int,
    sealed: bool,
    modules: Mapping[str, str] | None = None,
    log_prob: float | None = None,
    why: str = "",
) -> Proposal | None:
    """The proposal that the edit makes of `parent`; None when it does not pass the gate.

    `modules` are the sources of frozen files that the script imports, by module name.
    """
    try:
        candidate = apply(edit, parent)
    except (EditError, SourceError):
        return None
    refused = gate.check(candidate, sealed=sealed, parent=parent, modules=modules)
    if refused or gate.only_seeds(parent, candidate):
        return None
    return Proposal(
        number=number,
        parent=parent,
        edit=edit,
        source=candidate,
        diff=unified_diff(parent, candidate),
        log_prob=log_prob,
        why=why or describe(edit, parent),
    )


def require_sites(source: str, *, sealed: bool = True) -> None:
    """Raises PolicyError when the script is broken, or has nothing that an edit could change."""
    try:
        sites = find_sites(source)
    except SourceError as error:
        raise PolicyError(str(error)) from None
    reason = gate.check(source, sealed=sealed, parent=source)
    if reason:
        raise PolicyError(reason)
    if not sites:
        raise PolicyError(
            "the script has no sites: give it constants to change, such as `DEPTH = 4` at top level"
            " (docs/sites.md says what else is found)"
        )


def checked_state(state: Mapping[str, Any], name: str, version: int) -> dict[str, Any]:
    """The state as a dict, if it was written by this policy in this version."""
    if state.get("policy") != name or state.get("version") != version:
        found = f"{state.get('policy')} version {state.get('version')}"
        raise PolicyError(f"the saved state is of policy {found}, not of {name} version {version}")
    return cast(dict[str, Any], dict(state))
