"""The HTML report: whole, self-contained, true to the study, and safe whatever is in that."""

from __future__ import annotations

import html
import json
import re
import sqlite3
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arl_tui.cli import run
from arl_tui.made_up import make_study
from arl_tui.output import printable
from arl_tui.report.chart import BOTTOM, LEFT, RIGHT, TOP, Chart, ticks, whole_ticks
from arl_tui.report.content import Report, read_report
from arl_tui.report.diff_markup import LINES, diff_markup
from arl_tui.report.page import report_html
from state.archive import Archive
from state.folder import StudyFolder
from target.diff import unified_diff

NASTY = (
    "</details></pre></table><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\"'><!-- & &amp; \x00\x07\x1b[31m\x9b\u202e {{ 7*7 }} {% raw %}"
)
VOID = {"meta", "input", "br", "img", "link"}
EMPTY = {"path", "circle", "use", "rect", "polyline"}  # of SVG, closed at once


@dataclass
class Page(HTMLParser):
    """A page as a browser would read it; raises where its tags do not fit together."""

    open: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in EMPTY
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(text for tag, text in self.texts if tag not in ("script", "style"))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def parsed(folder: StudyFolder, **limits: int) -> Page:
    with Archive(folder) as archive:
        text = "".join(report_html(archive, **limits))
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def content(folder: StudyFolder, **limits: int) -> Report:
    with Archive(folder) as archive:
        return read_report(archive, **limits)


def change(study: StudyFolder, sql: str, *values: object) -> None:
    db = sqlite3.connect(study.database)
    db.execute(sql, values)
    db.commit()
    db.close()


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    folder = StudyFolder(tmp_path / "study")
    make_study(folder, 120, running=False)
    return folder


def climbing(study: StudyFolder) -> None:
    """Turn the study into one whose metric is better when it is higher."""
    change(
        study, "UPDATE study SET metric = 'accuracy', direction = 'max', target_kind = 'command'"
    )
    change(study, "UPDATE experiments SET val_bpb = 4 - val_bpb, delta = -delta")
    change(study, "UPDATE incumbents SET score = 4 - score")


def test_the_page_stands_alone(study: StudyFolder) -> None:
    page = parsed(study)
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "style", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#"), tag
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for _, attributes in page.tags if "href" in attributes}
    assert links <= {f"#{name}" for name in ids}
    css = "".join(text for tag, text in page.texts if tag == "style")
    assert not re.search(r"url\(|@import|expression", css)
    assert page.all("html")[0] == {"lang": "en"}
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all(
        "meta"
    )


def test_it_says_what_was_gained(study: StudyFolder) -> None:
    found = content(study)
    facts = dict(found.facts)
    assert facts["Score"] == "val-bpb (lower is better)"
    assert facts["Budget of each experiment"].startswith("300 s of wall time on made-up GPU")
    assert facts["State"] == "finished"
    gain, rule = found.gains
    assert gain.startswith("From the baseline to #")
    low, high = map(
        float, re.findall(r"interval of the gain from these runs: (\S+) to (\S+)\.", gain)[0]
    )
    (size,) = re.findall(r": (0\.\d+) lower", gain)
    assert low < float(size) < high
    assert "confirmed by fresh runs" in rule
    page = parsed(study)
    assert gain in page.text
    assert [edit.id for edit in found.kept] == sorted(edit.id for edit in found.kept)
    for edit in found.kept:
        assert f"#{edit.id}" in page.text
        assert "<ins>" in edit.diff
    assert found.whole_diff is not None
    assert len(found.rows) == 120


def test_every_experiment_is_on_the_chart_and_in_the_table(study: StudyFolder) -> None:
    page = parsed(study)
    rows = {attributes["id"] for attributes in page.all("tr") if "id" in attributes}
    marks = {attributes["href"] for attributes in page.all("a") if "tabindex" in attributes}
    assert rows == {f"e{number}" for number in range(120)}
    assert marks == {f"#{row}" for row in rows}
    chart = content(study).charts[0].chart
    shapes = {mark.shape for mark in chart.marks}
    assert {"keep", "discard", "rerun", "crash"} <= shapes
    for mark in chart.marks:
        assert LEFT <= mark.x <= RIGHT
        assert mark.y < TOP if mark.shape in ("crash", "oom") else mark.y <= BOTTOM
    assert chart.band
    assert chart.baseline is not None


def heights(chart: Chart) -> list[float]:
    """How high the steps of the staircase are, from left to right."""
    return [-float(point.split(",")[1]) for point in chart.steps.split()]


def test_lower_is_better_goes_down_and_higher_up(study: StudyFolder) -> None:
    found = content(study)
    down = heights(found.charts[0].chart)
    assert down == sorted(down, reverse=True)
    assert down[0] > down[-1]
    climbing(study)
    higher = content(study)
    assert heights(higher.charts[0].chart) == sorted(heights(higher.charts[0].chart))
    assert dict(higher.facts)["Score"] == "accuracy (higher is better, self-reported)"
    assert re.search(r"accuracy went from 1\.6\d+ .* to 1\.\d+ .*: 0\.\d+ higher", higher.gains[0])
    assert "The scores are self-reported" in higher.gains[-1]
    assert all(edit.change.startswith("+") for edit in higher.kept)
    change(study, "UPDATE epochs SET torch_version = 'its own'")
    assert dict(content(study).facts)["Budget of each experiment"].endswith("on made-up GPU")
    page = parsed(study)
    assert "positive is better" in page.text
    assert "self-reported" in page.text


def test_nothing_in_a_study_becomes_markup(study: StudyFolder) -> None:
    for table, column in (
        ("study", "name"),
        ("study", "target_name"),
        ("study", "stop_reason"),
        ("study", "policy"),
        ("study", "metric"),
        ("epochs", "device_model"),
        ("epochs", "torch_version"),
        ("experiments", "summary"),
        ("experiments", "why"),
        ("experiments", "reason"),
        ("logs", "text"),
    ):
        change(study, f"UPDATE {table} SET {column} = ?", NASTY)
    change(study, "UPDATE experiments SET diff = ? WHERE diff <> ''", f"-{NASTY}\n+{NASTY}!\n")
    drift = json.dumps({"first_id": 3, "sentence": NASTY})
    change(study, "INSERT INTO events (at, type, data) VALUES ('', 'drift', ?)", drift)
    change(study, "UPDATE sources SET text = text || ?", f"# {NASTY}")
    change(study, "INSERT INTO documents VALUES ('program', ?, '2026')", NASTY)
    change(study, "INSERT INTO prior_results VALUES (0, ?1, 2.5, 1.0, ?1, ?1)", NASTY)
    page = parsed(study)
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    shown = printable(NASTY)
    assert page.text.count(shown) > 200
    assert "49" not in "".join(text for tag, text in page.texts if tag == "h1")
    assert all(c.isprintable() or c in "\n\t" for c in page.text)


def test_the_policy_of_the_page_allows_its_own_script_alone(study: StudyFolder) -> None:
    import base64
    import hashlib

    page = parsed(study)
    (policy,) = [m["content"] for m in page.all("meta") if "http-equiv" in m]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        text = "".join(text for around, text in page.texts if around == tag)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_what_is_left_out_is_said(study: StudyFolder) -> None:
    whole = content(study)
    assert whole.notes == []
    part = content(study, detailed=30, logged=10)
    assert [note.split(" edits")[0].split(" logs")[0] for note in part.notes] == [
        f"The diffs of 30 of {sum(row.diff is not None for row in whole.rows)}",
        f"The ends of 10 of {sum(bool(row.log) for row in whole.rows)}",
    ]
    kept = {edit.id for edit in whole.kept}
    assert kept <= {row.id for row in part.rows if row.diff is not None}
    assert kept <= {row.id for row in part.rows if row.log}
    assert {row.status for row in part.rows if row.log} >= {"keep", "crash"}


def test_two_thousand_experiments_fit(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "study")
    make_study(folder, 2000, running=False)
    output = tmp_path / "report.html"
    assert run(["export", "html", "--study", str(folder.path), "-o", str(output)]) == 0
    assert output.stat().st_size < 3_000_000


def test_scores_of_earlier_conditions_have_a_chart_of_their_own(study: StudyFolder) -> None:
    change(
        study,
        "INSERT INTO epochs SELECT 2, started_at, 'y', environment, budget, clock, 'GPU', '3' "
        "FROM epochs",
    )
    found = content(study)
    assert len(found.charts) == 2
    assert not any(row.comparable for row in found.rows if row.score != "-")
    assert "has not been measured again" in found.gains[0]
    assert "Under earlier conditions" in parsed(study).text
    change(study, "UPDATE experiments SET epoch_id = 2 WHERE id > 60")
    change(study, "UPDATE incumbents SET epoch_id = 2 WHERE experiment_id > 60")
    newer, older = content(study).charts
    assert {mark.id for mark in newer.chart.marks} == set(range(61, 120))
    assert {mark.id for mark in older.chart.marks} == set(range(61))


def test_what_was_there_before_the_study_is_told(study: StudyFolder) -> None:
    assert "Before the study" not in parsed(study).text
    change(study, "INSERT INTO documents VALUES ('program', 'Be <bold>.', '2026')")
    change(study, "INSERT INTO prior_results VALUES (0, 'a1b2c3d', 2.5, NULL, 'keep', 'wider')")
    text = parsed(study).text
    assert "Be <bold>." in text
    assert "a1b2c3dkeep2.5000wider" in text
    assert "1 result, whose scores do not compare" in text


def test_studies_without_a_score_or_an_experiment(study: StudyFolder) -> None:
    change(study, "DELETE FROM incumbents")
    change(study, "UPDATE experiments SET status = 'crash', val_bpb = NULL, delta = NULL")
    assert content(study).gains == ["There is no score yet: finished."]
    parsed(study)
    for table in ("curves", "logs", "events", "evaluations", "experiments", "epochs"):
        change(study, f"DELETE FROM {table}")
    assert "Nothing has run yet." in parsed(study).text


def test_a_study_that_kept_nothing_says_so(study: StudyFolder) -> None:
    change(study, "DELETE FROM incumbents WHERE experiment_id > 0")
    (gain,) = content(study).gains
    assert gain.startswith(
        "No edit gained more than the noise: the best is the baseline, val-bpb 2.3"
    )


LINES_OF = st.lists(
    st.text(alphabet=st.sampled_from("ab= 1\t\r\x1b\x0c\u2028<>&\"'#+-@\\"), max_size=8),
    max_size=12,
)


@given(LINES_OF, LINES_OF)
def test_a_diff_shows_all_its_lines(old: list[str], new: list[str]) -> None:
    diff = unified_diff("\n".join(old), "\n".join(new))
    shown = html.unescape(re.sub(r"</?(?:ins|del|b|mark)>", "", diff_markup(diff, "more")))
    assert shown == printable("\n".join(diff.removesuffix("\n").split("\n")[2:]))


def test_a_diff_marks_the_words_that_changed_and_is_cut_where_it_is_long() -> None:
    short = diff_markup("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-LR = 1 # <b>\n+LR = 2 # <b>\n", "more")
    assert short == (
        "<b>@@ -1 +1 @@</b>\n<del>-LR = <mark>1</mark> # &lt;b&gt;</del>\n"
        "<ins>+LR = <mark>2</mark> # &lt;b&gt;</ins>"
    )
    long = diff_markup("\n".join(f"+line {n}" for n in range(LINES + 5)), "arl-tui diff 7")
    assert long.endswith("\n… 5 more lines: arl-tui diff 7")
    wide = diff_markup("-" + "x" * 9000 + "\n+" + "x" * 9001, "more")
    assert len(wide) < 1200
    assert "more</del>" in wide


@given(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.floats(1e-9, 1e9, allow_nan=False),
    st.integers(2, 10),
)
def test_ticks_are_few_and_in_view(low: float, span: float, most: int) -> None:
    high = low + span
    if not high - low > 1e-12 * max(abs(low), abs(high), 1e-6):
        return  # nearer than numbers can be
    found = [at for at, _ in ticks(low, high, most)]
    assert found == sorted(set(found))
    assert len(found) <= most + 1
    slack = (high - low) * 1e-6 + 1e-9 * abs(high)
    assert all(low - slack <= at <= high + slack for at in found)


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_experiments_have_whole_numbers(first: int, count: int) -> None:
    found = whole_ticks(first, first + count)
    assert all(at == int(at) and first <= at <= first + count for at in found)
    assert 1 <= len(found) <= 12 or count == 0
