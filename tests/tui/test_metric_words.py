"""What viewers say of scores that are not val-bpb, and of those for which higher is better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arl_tui.app import StudyApp
from arl_tui.detail import head_lines
from arl_tui.feed import Feed, Snapshot
from arl_tui.filters import FilterError, parse
from arl_tui.listing import ORDERS, Listing, highest_first
from arl_tui.made_up_metric import ACCURACY as SCALE
from arl_tui.screens.history_words import title_line
from arl_tui.widgets.experiment_table import columns_of
from arl_tui.widgets.forecast import forecast_gauge, forecast_words
from arl_tui.widgets.headline import headline
from arl_tui.widgets.plot import ShortNumbers
from arl_tui.widgets.score_pane import picked_lines
from arl_tui.widgets.scores import window
from engine.plan import plan
from engine.settings import validate
from state.folder import StudyFolder
from state.metric import VAL_BPB, Metric
from state.present import Live
from state.watch import Brief

ACCURACY = SCALE.metric
MakeStudy = Callable[..., StudyFolder]
MakeApp = Callable[..., StudyApp]
MakeBrief = Callable[..., Brief]


@pytest.fixture
def snapshot(study_folder: MakeStudy) -> Snapshot:
    """A command study that runs: #26 has the best accuracy."""
    feed = Feed(study_folder(scale=SCALE))
    seen = feed.look()
    feed.close()
    assert seen is not None
    return seen[0]


def test_the_headline_says_who_measured_the_best(snapshot: Snapshot) -> None:
    wide, narrow = headline(snapshot, 200).plain, headline(snapshot, 80).plain
    assert "best accuracy 0.4251 self-reported  baseline 0.4220" in wide
    assert "gain 0.0031 (0.7 %, 3 sigma) by #26" in wide
    assert "bpb" not in wide
    assert narrow.endswith("best accuracy 0.4251 self-reported  baseline 0.4220  gain 0.7 %")
    status = snapshot.status
    worse = replace(snapshot, status=replace(status, best=-4.0, baseline=-5.0))
    assert "gain 1.0000 (20.0 %, 1000 sigma)" in headline(worse, 200).plain


def test_an_experiment_is_told_in_the_metric(snapshot: Snapshot) -> None:
    first, _ = picked_lines(snapshot.briefs[26], 80, None, ACCURACY).plain.split("\n")
    assert first == "#26 candidate  ◆ keep  accuracy 0.4251  delta +0.0032  322 s"


def test_the_head_of_an_experiment_says_who_measured_it(study_folder: MakeStudy) -> None:
    feed = Feed(study_folder(scale=SCALE))
    experiment = feed.watcher.experiment(26)
    crashed = feed.watcher.history(status="oom")[0]
    feed.close()
    line = head_lines(experiment, metric=ACCURACY)[0].plain
    assert "accuracy 0.4251  +0.0032  self-reported" in line
    assert "reported" not in head_lines(crashed, metric=ACCURACY)[0].plain
    assert "0.4251 bpb" in head_lines(experiment)[0].plain


def test_a_forecast_aborts_on_the_worse_side() -> None:
    live = Live(
        experiment_id=1,
        phase="training",
        phase_since="",
        forecast=0.84,
        forecast_low=0.81,
        forecast_high=0.88,
        threshold=0.83,
    )
    words = forecast_words(live, 80, ACCURACY)
    assert words == "forecast 0.840 (0.810 to 0.880), aborts below 0.830"
    assert forecast_gauge(live, 12) == "·━━║━╋━━━━━·"
    assert forecast_words(live, 80).endswith("aborts above 0.830")


@pytest.mark.parametrize("word", ["bpb", "score", "accuracy", "ACCURACY"])
def test_a_filter_knows_the_score_by_three_names(word: str, brief: MakeBrief) -> None:
    chosen = parse(f"{word}>=0.9", ACCURACY)
    assert chosen.matches(brief(1, val_bpb=0.9), {})
    assert not chosen.matches(brief(2, val_bpb=0.89), {})
    assert not chosen.matches(brief(3, val_bpb=None), {})


def test_a_filter_takes_any_name_that_a_metric_may_have(brief: MakeBrief) -> None:
    for name in ("top-5/acc", "a<b", "val[0]", "größe"):
        chosen = parse(f"{name}<0.5 -sentinel", Metric(name))
        assert chosen.matches(brief(1, val_bpb=0.4), {})
        assert not chosen.matches(brief(1, val_bpb=0.6), {})
    own = parse("seconds<2", Metric("seconds"))  # what is always there comes first
    assert own.matches(brief(1, seconds=1.0, val_bpb=9.0), {})
    assert parse("score<2").matches(brief(1, val_bpb=1.0), {})


def test_a_filter_that_compares_nothing_says_what_it_could() -> None:
    with pytest.raises(FilterError, match="none of score, delta, seconds, id:"):
        parse("speed>3", ACCURACY)
    with pytest.raises(FilterError, match="none of bpb, delta, seconds, id:"):
        parse("accuracy>3")


@pytest.mark.parametrize("order", ["bpb", "delta"])
def test_the_best_comes_first_whichever_way_is_better(
    snapshot: Snapshot, order: str, brief: MakeBrief
) -> None:
    chosen = next(one for one in ORDERS if one == order)
    study = [brief(n, val_bpb=x, delta=x) for n, x in enumerate((0.7, 0.9, None, 0.8))]
    for metric, ids in ((VAL_BPB, [0, 3, 1, 2]), (ACCURACY, [1, 3, 0, 2])):
        listing = Listing()
        listing.update(study)
        listing.choose(chosen, reverse=highest_first(chosen, metric))
        assert [one.id for one in listing.rows] == ids
    listing.choose(chosen, reverse=True)
    assert "· best" in title_line(snapshot, listing, "", None)
    listing.choose(chosen, reverse=False)
    assert "· worst" in title_line(snapshot, listing, "", None)
    assert title_line(snapshot, listing, "", None).endswith("accuracy is self-reported")


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), max_size=30),
    st.lists(st.floats(-1e6, 1e6), max_size=4),
    st.none() | st.floats(0, 1e4),
)
def test_the_view_of_a_metric_to_be_maximised_is_the_mirror_of_one_to_be_minimised(
    scores: list[float], anchors: list[float], sigma: float | None
) -> None:
    y = np.array(scores, dtype=np.float64)
    low, high = window(y, anchors, sigma)
    assert low < high
    assert all(low < anchor < high for anchor in anchors)
    if scores or anchors:
        turned = window(-y, [-anchor for anchor in anchors], sigma, "max")
        assert turned == (-high, -low)


@pytest.mark.parametrize("size", [1e-12, 1e-3, 1.0, 1e9, 1e200])
def test_a_view_suits_the_size_of_the_scores(size: float) -> None:
    y = size * np.array([0.81, 0.83, 0.82, 0.80])
    low, high = window(y, [0.83 * size, 0.85 * size], 0.005 * size, "max")
    assert 0.5 * size < low < 0.80 * size
    assert 0.85 * size < high < 1.1 * size
    labels = ShortNumbers().get_ticks_and_labels(low, high)[1]
    assert 2 < len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 8


def test_a_column_is_as_wide_as_its_numbers_and_its_title() -> None:
    long = columns_of(Metric("a_metric_with_a_long_name", "max"))["bpb"]
    assert (long.cells, len(long.title)) == (10, 9)
    assert columns_of(VAL_BPB)["bpb"][:2] == ("val-bpb", 8)


def test_the_plan_of_a_command_says_what_is_run_and_believed() -> None:
    tables = {
        "target": {"path": "/there/train.py", "command": "uv run train.py"},
        "metric": {"name": "accuracy", "direction": "max"},
        "budget": {"seconds": 300, "startup_seconds": 60},
        "limits": {"target_bpb": 0},
        "slots": {"devices": "cuda:0"},
    }
    rows = dict(plan(validate(tables), []))
    assert rows["target"] == "/there/train.py"
    assert rows["command"] == "uv run train.py"
    assert rows["metric"] == "accuracy (self-reported), higher is better"
    assert rows["deadline"].startswith("360 s of wall time for each experiment: 300 s, and 60 s")
    assert rows["expected"] == "unknown until the baseline has run"
    assert rows["until"].startswith("a score of 0; ")
    assert not {"data", "budget"} & set(rows)
