"""Simulated studies: their scale, their failures, and that a script is what its tensors say."""

from __future__ import annotations

import re
import statistics
from functools import cache

import pytest
import torch

from policy.board import STATUSES
from policy.draws import Draws
from policy.families import FAMILIES
from policy.limits import naive
from policy.moves import destination, view
from policy.simulated_study import FAMILIES as NAMES
from policy.simulated_study import SimulatedStudy, make_study
from policy.simulator import Studies
from target.edit import Edit, apply, change
from target.gate import check
from target.sites import find_sites

COUNT = 32


@cache
def studies(family: str, seed: int = 0) -> Studies:
    generator = torch.Generator().manual_seed(seed)
    return Studies([FAMILIES[family]] * COUNT, 12, generator)


@cache
def script(family: str, seed: int = 0) -> SimulatedStudy:
    return make_study(seed, family)


@pytest.mark.parametrize("family", NAMES)
def test_the_script_as_given_trains_and_scores_0(family: str) -> None:
    made = studies(family)
    result = made.evaluate(made.table.origin)
    torch.testing.assert_close(result.score, torch.zeros(COUNT), rtol=0, atol=1e-3)
    assert (result.failure == -1).all()


@pytest.mark.parametrize("family", NAMES)
def test_the_best_is_10_to_100_sigma_below(family: str) -> None:
    best = studies(family).best
    assert (best > -100.1).all()
    # Where a landscape is flat there is less to gain.
    assert float((best < -9.9).float().mean()) >= 0.9


@pytest.mark.parametrize("family", NAMES)
def test_a_tenth_to_two_fifths_of_naive_proposals_fail(family: str) -> None:
    made = studies(family)
    draws = Draws([FAMILIES[family]] * COUNT, torch.Generator().manual_seed(1))
    failures = torch.stack([made.evaluate(naive(made.table, draws)).failure for _ in range(20)])
    assert 0.1 <= float((failures >= 0).float().mean()) <= 0.4
    ended = {STATUSES[code] for code in failures.flatten().tolist() if code >= 0}
    assert ended == {"oom", "crash", "timeout"}


def test_naive_proposals_change_one_to_three_sites_by_one_or_two_steps() -> None:
    table = studies("typical").table
    draws = Draws([FAMILIES["typical"]] * COUNT, torch.Generator().manual_seed(2))
    for _ in range(10):
        position = naive(table, draws)
        changed = (position != table.origin).sum(1)
        assert (changed <= 3).all()
        assert float((changed > 0).float().mean()) > 0.8
        ordered = table.choices == 0
        assert (((position - table.origin).abs() <= 2) | ~ordered).all()
        assert ((position == table.origin) | table.present).all()


def test_the_same_seed_makes_the_same_studies() -> None:
    one, other = studies("mixed"), studies.__wrapped__("mixed")
    different = studies("mixed", 1)
    draws = Draws([FAMILIES["mixed"]] * COUNT, torch.Generator().manual_seed(3))
    position = naive(one.table, draws)
    assert torch.equal(one.table.static, other.table.static)
    for found, expected in zip(one.evaluate(position), other.evaluate(position), strict=True):
        assert torch.equal(found, expected)
    assert not torch.equal(one.table.static, different.table.static)


@pytest.mark.parametrize("family", NAMES)
def test_every_family_makes_scripts_that_pass_the_gate(family: str) -> None:
    study = script(family)
    names = [site.name for site in find_sites(study.source)]
    assert check(study.source) is None
    assert len(names) == len(set(names)) >= 2
    assert study.source != script(family, 1).source
    assert study.source == make_study(0, family).source


@pytest.mark.parametrize("family", NAMES)
def test_the_baselines_truth(family: str) -> None:
    study = script(family)
    assert study.truth(study.source) == pytest.approx(study.baseline, abs=1e-6)
    assert 9.9 <= (study.baseline - study.best) / study.sigma <= 100.1


def test_nameless_sites_are_numbered() -> None:
    names = [site.name for site in find_sites(script("nameless").source)]
    assert all(re.fullmatch(r"X\d+", name) for name in names)
    numbers = [int(name[1:]) for name in names]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("family", ["typical", "wrong-names", "nameless", "plateaus"])
def test_an_edit_moves_the_truth_as_the_tensors_say(family: str) -> None:
    study = script(family, 2)
    within = study._studies
    sites = find_sites(study.source)
    rows = within.table.present[0].nonzero()[:, 0].tolist()
    assert len(rows) == len(sites)
    truths = set()
    for row, site in zip(rows, sites, strict=True):
        for place in range(view(site).low, view(site).high + 1, 4):
            value = destination(site, place)
            if value is None or place == view(site).origin:
                continue
            position = within.table.origin.clone()
            position[0, row] = place
            result = within.evaluate(position)
            truth = study.truth(apply(Edit((change(site, value),)), study.source))
            if int(result.failure[0]) >= 0:
                assert truth is None
            else:
                expected = study.baseline + study.sigma * float(result.score[0])
                assert truth == pytest.approx(expected)
            truths.add(truth)
    assert len(truths) > 5


def test_the_same_repetition_meets_the_same_luck() -> None:
    study = script("typical")
    first = study.run(study.source, 4)
    assert first == study.run(study.source, 4) == make_study(0, "typical").run(study.source, 4)
    scores = [study.run(study.source, n).val_bpb for n in range(150)]
    known = [score for score in scores if score is not None]
    assert len(set(known)) == 150
    assert statistics.fmean(known) == pytest.approx(study.baseline, abs=study.sigma / 3)
    assert 0.7 < statistics.stdev(known) / study.sigma < 1.4


def test_what_fails_has_no_score() -> None:
    study = script("rugged")
    assert study.run("A = (\n").status == "invalid"
    ended = set()
    for site in find_sites(study.source):
        for place in (view(site).low, view(site).high):
            value = destination(site, place)
            if value is not None and place != view(site).origin:
                candidate = apply(Edit((change(site, value),)), study.source)
                outcome = study.run(candidate)
                ended.add(outcome.status)
                assert (outcome.val_bpb is None) == (study.truth(candidate) is None)
    assert ended > {"discard"}
    assert ended <= {"discard", "oom", "crash", "timeout"}
