"""What the score chart draws: the view, the stairs, the marks, the counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from arl_tui.widgets.scores import forecasts, scores, stairs, window
from arl_tui.widgets.tally import per_hour
from state.present import Live
from state.records import Incumbent
from state.watch import Brief

BEGAN = datetime(2026, 11, 1, 22, tzinfo=UTC)
MakeBrief = Callable[..., Brief]


def incumbent(seq: int, experiment: int, score: float, epoch: int = 1) -> Incumbent:
    since = (BEGAN + timedelta(hours=seq)).isoformat()
    return Incumbent(
        seq=seq, epoch_id=epoch, experiment_id=experiment, since=since, score=score, sigma=0.01
    )


def test_failed_scores_far_away_do_not_flatten_the_view() -> None:
    y = np.array([2.31, 2.30, 2.32, 2.29, 9.0, 1e6, 0.001])
    low, high = window(y, [2.31, 2.28], 0.004)
    assert 2.2 < low < 2.28
    assert 2.32 < high < 2.6


def test_a_view_without_anything_but_wild_scores_holds_the_anchors() -> None:
    low, high = window(np.array([50.0, 60.0, 70.0]), [2.31], 0.004)
    assert low < 2.31 < high < 10


@pytest.mark.parametrize("y", [[], [np.nan]])
def test_a_view_of_nothing_is_a_view(y: list[float]) -> None:
    low, high = window(np.array(y, dtype=np.float64), [], None)
    assert low < high


def test_one_score_alone_has_a_view() -> None:
    low, high = window(np.array([2.0]), [], None)
    assert low < 2.0 < high


def test_only_the_current_epoch_is_drawn(brief: MakeBrief) -> None:
    briefs = [brief(0, epoch_id=1), brief(1, epoch_id=2), brief(2, epoch_id=2, status="queued")]
    assert scores(briefs, 2, "experiments", BEGAN).ids.tolist() == [1]


def test_what_failed_has_a_place_but_no_score(brief: MakeBrief) -> None:
    found = scores([brief(0, status="crash", val_bpb=None)], 1, "experiments", BEGAN)
    assert np.isnan(found.y[0])
    assert found.marks.tolist() == ["x"]


def test_a_keep_that_repeats_the_incumbent_has_its_own_mark(brief: MakeBrief) -> None:
    briefs = [brief(0, kind="baseline", status="keep"), brief(1, kind="sentinel", status="keep")]
    found = scores(briefs, 1, "experiments", BEGAN)
    assert found.marks.tolist() == ["◆", "◇"]


def test_hours_count_from_the_study_s_beginning(brief: MakeBrief) -> None:
    at = "2026-11-01T23:30:00.000000Z"
    found = scores([brief(0, ended_at=at), brief(1)], 1, "hours", BEGAN)
    assert found.x.tolist() == [1.5]


def test_the_stairs_never_go_back(brief: MakeBrief) -> None:
    own = [incumbent(1, 0, 2.3), incumbent(2, 40, 2.2), incumbent(3, 30, 2.1)]
    steps = stairs(own, 1, "experiments", BEGAN, 0.0, None)
    assert steps.x.tolist() == [0, 40, 40]
    x, y = steps.steps(60.0)
    assert x.tolist() == [0, 40, 40, 40, 40, 60]
    assert y.tolist() == [2.3, 2.3, 2.2, 2.2, 2.1, 2.1]


def test_the_stairs_of_a_new_epoch_begin_with_it() -> None:
    own = [incumbent(1, 0, 2.3), incumbent(2, 40, 2.2), incumbent(3, 40, 2.4, epoch=2)]
    steps = stairs(own, 2, "experiments", BEGAN, 100.0, None)
    assert (steps.x.tolist(), steps.y.tolist()) == ([100.0], [2.4])


def test_experiments_an_hour_are_those_of_late(brief: MakeBrief) -> None:
    def ran(number: int, minutes: float) -> Brief:
        at = (BEGAN + timedelta(minutes=minutes)).isoformat(timespec="microseconds")
        return brief(number, started_at=at, ended_at=at)

    slow = [ran(n, 600 * n) for n in range(50)]
    fast = [ran(n, 30_000 + 6 * (n - 50)) for n in range(50, 90)]
    never = [brief(90, status="veto", ended_at="2026-12-01T00:00:00.000000Z")]
    assert per_hour([*slow, *fast, *never]) == pytest.approx(10.0)
    assert per_hour(slow[:1]) is None


def test_a_forecast_stands_where_its_experiment_is(brief: MakeBrief) -> None:
    found = scores(
        [brief(0), *(brief(n, status="running", val_bpb=None) for n in (1, 2, 3))],
        1,
        "experiments",
        BEGAN,
    )
    known = Live(
        experiment_id=1,
        phase="training",
        phase_since="",
        forecast=2.3,
        forecast_low=2.2,
        forecast_high=2.4,
        threshold=2.35,
    )
    scored = replace(known, experiment_id=2, phase="scoring")
    unknown = Live(experiment_id=3, phase="training", phase_since="")
    drawn = forecasts([known, scored, unknown, replace(known, experiment_id=9)], found)
    assert drawn.x.tolist() == [1.0, 2.0]
    assert (drawn.low[0], drawn.middle[0], drawn.high[0]) == (2.2, 2.3, 2.4)
    assert drawn.limit[0] == 2.35
    assert np.isnan(drawn.limit[1])  # nothing aborts it any more
    assert len(forecasts([], found).x) == 0
