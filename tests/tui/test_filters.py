"""The history's filter, what it lets through, and the order of what is listed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arl_tui.filters import FilterError, parse
from arl_tui.listing import ORDERS, Listing, Order
from state.records import FAILED, KINDS, SCORED, STATUSES
from state.watch import Brief


def brief(number: int = 12, **fields: object) -> Brief:
    plain = Brief(
        number, 1, "candidate", "keep", 0.97, -0.01, 300.0, 320.0, "", "", 0, None, 0, None, None
    )
    return plain._replace(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("keep", brief(), brief(status="crash")),
        ("KEEP", brief(), brief(status="discard")),
        ("sentinel", brief(kind="sentinel"), brief()),
        ("failed", brief(status="oom"), brief(status="interrupted")),
        ("-failed", brief(), brief(status="timeout")),
        ("audited", brief(audited=True), brief(status="abort")),
        ("!keep", brief(status="veto"), brief()),
        ("bpb<0.98", brief(), brief(val_bpb=0.98)),
        ("bpb<=0.97", brief(), brief(val_bpb=0.971)),
        ("bpb<0.98", brief(), brief(val_bpb=None)),
        ("-bpb<0.98", brief(val_bpb=None), brief()),
        ("delta<0", brief(), brief(delta=0.0)),
        ("delta>-1e-1", brief(), brief(delta=-0.2)),
        ("seconds>=10", brief(seconds=10.0), brief(seconds=9.9)),
        ("id>11", brief(), brief(11)),
        ("id!=12", brief(13), brief()),
        ("#12", brief(), brief(13)),
        ("12", brief(), brief(120)),
        ("-12", brief(13), brief()),
        ("keep bpb<0.98", brief(), brief(status="discard")),
        ("keep -sentinel", brief(), brief(kind="sentinel")),
    ],
)
def test_what_a_filter_lets_through(text: str, yes: Brief, no: Brief) -> None:
    assert parse(text).matches(yes, {})
    assert not parse(text).matches(no, {})


@pytest.mark.parametrize("text", ["", "  ", '""'])
def test_an_empty_filter_lets_everything_through(text: str) -> None:
    assert parse(text).terms == ()


def test_anything_else_is_text_that_the_database_finds() -> None:
    chosen = parse('keep WIDTH "Two words" -"keep"')
    assert chosen.texts == {"WIDTH", "Two words", "keep"}
    found = {"WIDTH": {12, 13}, "Two words": {12, 13, 14}, "keep": {13}}
    assert chosen.matches(brief(12), found)
    assert not chosen.matches(brief(13), found)
    assert not chosen.matches(brief(14), found)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("bpb<", "needs a number after <"),
        ("bpb<low", "such as bpb<0.98"),
        ("bpb<nan", "needs a number"),
        ("loss<3", "compares none of bpb, delta, seconds, id"),
        ('"two words', "quotation mark"),
        ('keep "', "quotation mark"),
    ],
)
def test_a_wrong_filter_says_why_in_one_sentence(text: str, part: str) -> None:
    with pytest.raises(FilterError) as error:
        parse(text)
    assert part in str(error.value)
    assert str(error.value).endswith(".")


@given(st.text(alphabet=st.sampled_from('-!"#<>= .0129abpbdelta\tkeep'), max_size=20))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        chosen = parse(text)
    except FilterError:
        return
    chosen.matches(brief(), {part: set() for part in chosen.texts})


@st.composite
def briefs(draw: st.DrawFn, number: int) -> Brief:
    status = draw(st.sampled_from(STATUSES))
    score = draw(st.sampled_from([0.9, 0.95, 1.0])) if status in SCORED else None
    return brief(
        number,
        status=status,
        kind=draw(st.sampled_from(KINDS)),
        val_bpb=score,
        delta=None if score is None else score - 0.95,
        seconds=draw(st.none() | st.sampled_from([1.0, 2.0])) if status in FAILED else None,
        summary=draw(st.sampled_from(["", "DEPTH 1 -> 2", "WIDTH"])),
    )


@given(st.data(), st.sampled_from(["keep", "failed", "bpb<1", "id>3", "sentinel", "delta>=0"]))
def test_negation_and_conjunction(data: st.DataObject, word: str) -> None:
    one = data.draw(briefs(data.draw(st.integers(0, 6))))
    assert parse(f"-{word}").matches(one, {}) != parse(word).matches(one, {})
    both = parse(f"{word} discard").matches(one, {})
    assert both == (parse(word).matches(one, {}) and parse("discard").matches(one, {}))


@given(
    st.data(),
    st.sampled_from(ORDERS),
    st.booleans(),
    st.sampled_from(["", "failed", "bpb<1", "-sentinel"]),
)
def test_a_listing_kept_up_to_date_is_one_made_anew(
    data: st.DataObject, order: Order, reverse: bool, text: str
) -> None:
    kept = Listing()
    kept.choose(order, reverse=reverse)
    kept.restrict(parse(text), {})
    study: list[Brief] = []
    for _ in range(3):
        study = list(study)
        for number in data.draw(st.sets(st.integers(0, max(len(study) - 1, 0)), max_size=3)):
            if number < len(study):
                study[number] = data.draw(briefs(number))
        study += [data.draw(briefs(len(study) + n)) for n in range(data.draw(st.integers(0, 3)))]
        kept.update(study)
    anew = Listing()
    anew.update(study)
    anew.restrict(parse(text), {})
    anew.choose(order, reverse=reverse)
    assert kept.rows == anew.rows
    places = {one.id: row for row, one in enumerate(kept.rows)}
    assert [kept.index(one.id) for one in study] == [places.get(one.id) for one in study]


def test_who_has_no_score_comes_last_whichever_way_it_is_sorted() -> None:
    study = [brief(0, val_bpb=1.0), brief(1, val_bpb=None), brief(2, val_bpb=0.9)]
    listing = Listing()
    listing.update(study)
    listing.choose("bpb", reverse=False)
    assert [one.id for one in listing.rows] == [2, 0, 1]
    listing.choose("bpb", reverse=True)
    assert [one.id for one in listing.rows] == [0, 2, 1]


def test_ten_thousand_come_newest_first() -> None:
    listing = Listing()
    listing.update([brief(number) for number in range(10_000)])
    assert [one.id for one in listing.rows[:2]] == [9999, 9998]
