"""A person's own keys: what is refused, and that they work."""

from __future__ import annotations

from pathlib import Path

import pytest

from arl_tui.app import StudyApp
from arl_tui.exits import CommandError
from arl_tui.keymap import checked
from arl_tui.made_up import make_study
from engine.settings import SettingsError, load_file, validate
from state.folder import StudyFolder


def test_both_spellings_of_a_key_mean_the_same(tmp_path: Path) -> None:
    path = tmp_path / "arl.toml"
    path.write_text('[keys]\n"review.approve" = "ctrl+a"\nreview.veto = ["x", "f2"]\nquit = "Q"\n')
    settings = validate(load_file(path))
    expected = {"review.approve": "ctrl+a", "review.veto": "x,f2", "quit": "Q"}
    assert settings.keys == expected
    assert checked(settings.keys, StudyApp) == expected
    assert not settings.tui.low_bandwidth


@pytest.mark.parametrize("value", ["1", "[1]", "true"])
def test_a_key_that_is_no_text_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "arl.toml"
    path.write_text(f"[keys]\nquit = {value}\n")
    with pytest.raises(SettingsError, match=r"keys\.quit"):
        validate(load_file(path))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"review.aprove": "b"}, "'review.aprove' is no action; there are .*review.approve"),
        ({"quit": "ctr+a"}, "quit = 'ctr\\+a' is not the name of a key"),
        ({"quit": "banana"}, "quit = 'banana' is not the name of a key"),
        ({"quit": ""}, "quit = '' is not the name of a key"),
        ({"review.approve": "v"}, "v would mean both review.approve and review.veto"),
        ({"review.approve": "q"}, "q would mean both review.approve and quit"),
        ({"pause": "a"}, "a would mean both review.approve and pause"),
        ({"review.approve": "x", "pause": "x"}, "x would mean both review.approve and pause"),
        ({"pause": "?"}, "question_mark would mean both"),
        ({"pause": "ctrl+q"}, "ctrl\\+q would mean both"),
        ({"pause": "enter"}, "would take a key that moves in lists"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(keys: dict[str, str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        checked(keys, StudyApp)


@pytest.mark.parametrize(
    "keys",
    [
        {"review.approve": "v", "review.veto": "a"},
        {"review.approve": "comma"},
        {"pause": "f5,P"},
        {"stop.now": "q"},  # a dialog hides the app's keys
    ],
)
def test_what_can_work_is_allowed(keys: dict[str, str]) -> None:
    assert checked(keys, StudyApp) == keys


@pytest.mark.anyio
async def test_a_changed_key_works_and_the_old_one_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = StudyFolder(tmp_path / "study")
    make_study(folder, 4)
    async with StudyApp(folder, keys={"history": "f6,u"}).run_test() as pilot:
        await pilot.press("h")
        assert pilot.app.current_mode == "dashboard"
        await pilot.press("u")
        assert pilot.app.current_mode == "history"
