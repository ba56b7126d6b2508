"""Policies are found by name, and the contract's records say what is wrong with them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from types import ModuleType

import pytest

import policy
from policy import Outcome, PolicyError, Proposal, registry


def test_an_unknown_policy_lists_the_known_ones() -> None:
    with pytest.raises(PolicyError, match=r"no policy 'magic': choose one of .*local.*random"):
        policy.make("magic", "A = 1\n", 0)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(PolicyError, match="'colour'"):
        policy.make("random", "A = 1\n", 0, colour="red")


def _reads_a_program(
    source: str,
    seed: int,
    *,
    sealed: bool | None = None,
    modules: Mapping[str, str] | None = None,
    program: str | None = None,
) -> tuple[str, int, str | None]:
    return source, seed, program


def test_the_program_reaches_policies_that_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("policy.reader_policy")
    module.make = _reads_a_program  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "policy.reader_policy", module)
    monkeypatch.setattr(registry, "names", lambda: ("random", "reader"))
    assert policy.make("reader", "A = 1\n", 3, program="# Do") == ("A = 1\n", 3, "# Do")
    assert policy.make("reader", "A = 1\n", 3) == ("A = 1\n", 3, None)
    assert policy.make("random", "A = 1\n", 3, program="# Do", sealed=False).name == "random"


def test_an_outcome_has_a_known_status() -> None:
    assert Outcome(status="keep", val_bpb=1.0).seconds is None
    with pytest.raises(PolicyError, match=r"no status 'fine': it is one of keep, discard"):
        Outcome(status="fine")  # type: ignore[arg-type]


def test_a_broken_record_is_refused() -> None:
    with pytest.raises(PolicyError, match="not the record of a proposal"):
        Proposal.from_record({"number": 1})


def test_policies_and_targets_are_imported_without_torch() -> None:
    code = (
        "import policy, target.sites, target.edit, target.gate, sys;"
        "policy.make('random', 'A = 1', 0, sealed=False).ask();"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
