"""How the numbers of a metric are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.metric import VAL_BPB, WIDTH, Metric
from state.records import NewStudy

ACCURACY = Metric("accuracy", "max", self_reported=True)
SCORES = st.floats(allow_nan=False, allow_infinity=False)
USUAL = SCORES.filter(lambda x: x == 0 or 1e-90 < abs(x) < 1e90)


@pytest.mark.parametrize(
    ("score", "written"),
    [
        (0.0, "0.0000"),
        (0.87, "0.8700"),
        (-0.8712345, "-0.8712"),
        (12.3456, "12.346"),
        (987.654, "987.65"),
        (123456.7, "123457"),
        (1234567.0, "1.2346e6"),
        (0.0456789, "0.04568"),
        (0.00123456, "0.001235"),
        (0.0000123456, "1.2346e-5"),
        (-1.23456e-12, "-1.235e-12"),
        (1.5e300, "1.5000e300"),
    ],
)
def test_scores_have_about_five_digits(score: float, written: str) -> None:
    assert ACCURACY.number(score) == written


@pytest.mark.parametrize(
    ("change", "beside", "written"),
    [
        (0.01234, 0.8712, "+0.0123"),
        (-3.0, 87.5, "-3.000"),
        (0.0, 0.5, "+0.0000"),
        (0.000004, 0.5, "+4.0e-6"),  # never nothing
        (123456.0, 1.2346e6, "+1.235e5"),
        (1.5e-7, 3.21e-6, "+1.500e-7"),
        (0.0, 3.21e-6, "+0"),
        (2.0, 0.0, "+2.0000"),
    ],
)
def test_a_change_is_as_exact_as_the_score_beside_it(
    change: float, beside: float, written: str
) -> None:
    assert ACCURACY.change(change, beside) == written


@given(st.floats(-9999, 9999))
def test_val_bpb_has_four_decimals(score: float) -> None:
    assert VAL_BPB.number(score) == f"{score:.4f}"
    assert VAL_BPB.change(score, 2.0) == f"{score:+.4f}"
    assert VAL_BPB.rough(score) == f"{score:.3f}"
    assert VAL_BPB.quantity(score) == f"{score:.4f} bpb"


@given(USUAL)
def test_what_is_written_is_nearly_the_score(score: float) -> None:
    assert float(ACCURACY.number(score)) == pytest.approx(score, rel=6e-4)


@given(SCORES, SCORES)
def test_every_number_fits_its_column_and_keeps_its_sign(score: float, beside: float) -> None:
    for text in (ACCURACY.number(score), ACCURACY.change(score, beside)):
        assert len(text) <= WIDTH
        if score != 0:
            assert math.copysign(1, float(text)) == math.copysign(1, score)
            assert any(digit in text.split("e")[0] for digit in "123456789")


def test_a_metric_knows_which_way_is_better() -> None:
    assert (VAL_BPB.gain(2.3, 2.2), ACCURACY.gain(0.8, 0.9)) == pytest.approx((0.1, 0.1))
    assert (VAL_BPB.better, VAL_BPB.beyond, VAL_BPB.within) == ("lower", "above", "below")
    assert (ACCURACY.better, ACCURACY.beyond, ACCURACY.within) == ("higher", "below", "above")


def test_a_command_reports_its_own_score() -> None:
    def study(**values: str) -> Metric:
        return Metric.of(NewStudy(name="s", seed=1, target_name="t", policy="p", **values))  # type: ignore[arg-type]

    assert study() == VAL_BPB
    assert study(target_kind="command").marked == "val-bpb (self-reported)"
    hostile = study(target_kind="command", metric="acc\x9b31m\u202e", direction="max")
    assert hostile.marked == "acc\ufffd31m\ufffd (self-reported)"
