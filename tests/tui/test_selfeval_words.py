"""What the screen says of forecasts, of self-evaluation, and of several that run at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arl_tui.evaluation_text import look_lines, verdict
from arl_tui.feed import Feed, Snapshot
from arl_tui.made_up import make_study
from arl_tui.proposals import meanwhile
from arl_tui.screens.stop import what_stopping_does
from arl_tui.what_runs import doing, running, sentence
from arl_tui.widgets.bars import gauge
from arl_tui.widgets.forecast import forecast_gauge, forecast_words, no_forecast_words
from arl_tui.widgets.headline import headline
from arl_tui.widgets.run_panel import run_lines
from arl_tui.widgets.selfeval_panel import SelfevalPanel
from state.folder import StudyFolder
from state.lock import EngineLock
from state.present import Live
from state.read import Reader
from state.records import Evaluation, Experiment, Look, Status

NOW = datetime(2026, 11, 1, 23, 4, tzinfo=UTC)
LIVE = Live(
    experiment_id=12,
    phase="training",
    phase_since="2026-11-01T22:00:00Z",
    progress=0.4,
    forecast=2.34,
    forecast_low=2.31,
    forecast_high=2.38,
    threshold=2.41,
)
ON = {
    "state": "on",
    "sentence": "an \x1b[31m[b]abort[/b]",
    "curves": 41,
    "needed": 30,
    "aborted": 12,
    "audited": 3,
    "false_aborts": 0.03,
    "false_aborts_low": 0.0,
    "false_aborts_high": 0.12,
    "promised": 0.05,
    "coverage": 0.91,
    "coverage_promised": 0.9,
    "saved_hours": 1.4,
}


def said(panel: Any, width: int = 76) -> list[str]:
    shown = SelfevalPanel("Self-eval")
    shown._panel = panel
    return [line.plain.rstrip() for line in shown.lines(width)]


class TestAForecast:
    def test_is_told_with_its_band_and_the_worst_that_may_go_on(self) -> None:
        whole = "forecast 2.340 (2.310 to 2.380), aborts above 2.410"
        assert forecast_words(LIVE, 80) == whole
        assert forecast_words(LIVE, len(whole) - 1) == "forecast 2.340 (2.310 to 2.380)"

    def test_aborts_nothing_once_it_is_scored(self) -> None:
        scored = replace(LIVE, phase="scoring")
        assert forecast_words(scored, 80) == "forecast 2.340 (2.310 to 2.380)"
        assert forecast_gauge(scored, 20) == ""

    def test_may_be_known_in_part(self) -> None:
        assert forecast_words(replace(LIVE, forecast_low=None, threshold=None), 80) == (
            "forecast 2.340"
        )
        assert forecast_words(replace(LIVE, forecast=None), 80) == ""
        assert forecast_gauge(replace(LIVE, threshold=None), 20) == ""

    def test_is_missed_only_where_one_is_to_come(self) -> None:
        without = replace(LIVE, forecast=None)
        learning = {"state": "learning", "curves": 18, "needed": 30}
        assert no_forecast_words(without, learning) == "no forecast yet: 18 of 30 curves"
        assert no_forecast_words(without, {"state": "on"}) == "no forecast yet"
        for panel in ({"state": "off"}, None):
            assert no_forecast_words(without, panel) == ""
        assert no_forecast_words(replace(without, phase="starting"), learning) == ""
        assert no_forecast_words(LIVE, learning) == ""

    def test_has_a_scale_of_its_own(self) -> None:
        assert forecast_gauge(LIVE, 12) == "·━━━╋━━━━··║"


@given(st.floats(0, 9), st.floats(0, 9), st.floats(0, 9), st.floats(-1, 10), st.integers(1, 40))
def test_a_gauge_shows_the_value_whatever_lies_off_its_scale(
    one: float, two: float, three: float, limit: float, width: int
) -> None:
    low, middle, high = sorted((one, two, three))
    drawn = gauge(low, middle, high, limit, (2.0, 7.0), width)
    assert len(drawn) == width
    assert drawn.count("╋") == 1
    assert set(drawn) <= set("·━╋║")


class TestTheSelfevalPanel:
    def test_says_how_often_it_errs_beside_what_it_promised(self) -> None:
        first, wrong, forecasts = said(ON)
        assert first == "on  41 curves  12 aborted  3 audited  1 h 24 min saved"
        assert wrong.startswith("false aborts ━━")
        assert wrong.endswith("3.0 % (0 to 12 %), promised 5 %")
        assert forecasts.startswith("forecasts    ██")
        assert forecasts.endswith("91 % in their band, promised 90 %")

    def test_says_how_much_it_still_has_to_learn(self) -> None:
        panel = ON | {"state": "learning", "curves": 18, "aborted": 0, "audited": 0}
        first, learnt, _ = said(panel | {"saved_hours": None})
        assert first == "learning"
        assert learnt.endswith("18 of 30 curves")
        assert "false" not in learnt

    def test_says_what_is_not_measured_yet(self) -> None:
        panel = ON | {"false_aborts": None, "coverage": None}
        _, wrong, forecasts, why = said(panel)
        assert wrong == "false aborts not measured yet, promised 5 %"
        assert forecasts == "forecasts    not measured yet, promised 90 %"
        assert why == r"an \x1b[31m[b]abort[/b]"

    def test_may_be_off_or_absent(self) -> None:
        assert said({"state": "off", "sentence": "off by your settings"}) == [
            "off",
            "off by your settings",
        ]
        assert "not said anything" in said(None)[0]

    @pytest.mark.parametrize("width", [46, 71, 76, 120])
    def test_fits(self, width: int) -> None:
        assert max(map(len, said(ON, width))) <= width


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A candidate that ended."""
    folder = StudyFolder(tmp_path_factory.mktemp("ended") / "study")
    make_study(folder, 4, running=False)
    with Reader(folder) as reader:
        return reader.experiment(3)


class TestWhatWasSeenOfAnExperiment:
    looks = tuple(
        Look(progress=p, level=4.5, tail=4.0, forecast=f, spread=0.02, threshold=2.431)
        for p, f in ((0.2, 2.55), (0.4, 2.512), (1.0, 2.47))
    )
    seen = Evaluation(looks=looks, condemned_at=0.4, audit_probability=0.1, audited=True)

    @pytest.mark.parametrize(
        ("status", "score", "words"),
        [
            ("discard", 2.45, "rightly found hopeless at 40 %, let run: ended at 2.4500, above"),
            ("keep", 2.4, "wrongly found hopeless at 40 %, let run: ended at 2.4000, below"),
            ("crash", None, "found hopeless at 40 %, let run to measure that: crash, without a"),
        ],
    )
    def test_an_audit_says_whether_it_was_right(
        self, candidate: Experiment, status: Status, score: float | None, words: str
    ) -> None:
        ended = replace(candidate, status=status, val_bpb=score)
        text = verdict(ended, self.seen)
        assert text.startswith(words)
        assert len(text) <= 71  # columns beside a label at 80

    def test_an_abort_says_when_and_what_was_expected(self, candidate: Experiment) -> None:
        ended = replace(candidate, status="abort", val_bpb=None)
        aborted = replace(self.seen, looks=self.looks[:2], audited=False)
        assert verdict(ended, aborted) == (
            "found hopeless at 40 %, forecast 2.550 → 2.512 over 2 looks"
        )
        assert verdict(ended, replace(aborted, condemned_at=None)) == ""
        assert verdict(ended, None) == ""

    def test_the_looks_are_a_table(self) -> None:
        title, first, second, last = look_lines(self.seen)
        assert title.split() == ["spent", "loss", "tail", "forecast", "+-", "threshold"]
        assert first == " 20 %  4.500  4.000    2.550  0.020     2.431"
        assert second.endswith(" hopeless")
        assert not last.endswith("hopeless")
        blank = Evaluation(looks=(Look(progress=0.1, level=4.5, tail=4.0),))
        assert look_lines(blank)[1].split() == ["10", "%", "4.500", "4.000", "-", "-", "-"]
        assert look_lines(Evaluation(looks=())) == []


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A study whose experiment 60 trains while 59 is scored."""
    folder = StudyFolder(tmp_path_factory.mktemp("overlapping") / "study")
    make_study(folder, 61, overlapping=True)
    lock, feed = EngineLock(folder.lock), Feed(folder)
    seen = feed.look()
    feed.close()
    lock.release()
    assert seen is not None
    return seen[0]


class TestWhileAnotherIsScored:
    def test_what_trains_comes_first(self, now: Snapshot) -> None:
        assert [live.experiment_id for live in now.live] == [59, 60]
        assert [doing(live, share=True) for live in running(now)] == [
            "#60 trains, 62 %",
            "#59 is scored",
        ]
        first, *_, last = (line.plain for line in run_lines(now, 60, NOW, 78))
        assert first.startswith("▸ #60 candidate  training")
        assert last.startswith("  #59 sentinel  scoring")

    @pytest.mark.parametrize(
        ("room", "text"),
        [(80, "#60 trains, #59 is scored"), (24, "#60 +#59"), (7, "#60 +1"), (5, "")],
    )
    def test_it_is_told_in_the_room_that_there_is(
        self, now: Snapshot, room: int, text: str
    ) -> None:
        assert sentence(now, room) == text

    def test_every_place_tells_both(self, now: Snapshot) -> None:
        assert headline(now, 160).plain.endswith("#60 trains, #59 is scored")
        assert headline(now, 80).cell_len <= 80
        assert "#60 trains, 62 %, #59 is scored" in meanwhile(now, [])[0]
        stopping = list(what_stopping_does(now))
        assert stopping[0] == "#60 has trained 62 % of its budget."
        assert stopping[1] == "#59 has trained and is being scored."
        assert "waits about 1 min, and for its score" in stopping[2]

    def test_one_that_the_snapshot_does_not_know_is_left_out(self, now: Snapshot) -> None:
        unknown = replace(now, live=[replace(now.live[0], experiment_id=61)])
        assert running(unknown) == []
        assert sentence(unknown, 80) == ""
