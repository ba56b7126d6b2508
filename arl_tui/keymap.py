"""A person's own keys, from `[keys]` in arl.toml: checked before the screen appears."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module

from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys
from textual.screen import ModalScreen

from arl_tui.exits import CommandError

_OURS = "arl_tui."
_MODIFIERS = frozenset({"ctrl", "shift", "alt", "super", "hyper", "meta"})
_PUNCTUATION = Binding.make_bindings(Binding(c, "") for c in string.punctuation if c != ",")
_NAMED = frozenset({key.value for key in Keys} | {b.key for b in _PUNCTUATION} | {"comma"})
_MOVING = frozenset(
    {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "enter", "escape"}
)


def checked(keys: Mapping[str, str], app: type[App[int]]) -> dict[str, str]:
    """The keys by binding, as Textual names them. Raises CommandError in one sentence.

    Only classes that have been imported are known: the screens are, here.
    """
    for screen in ("dashboard", "history", "review"):
        import_module(f"arl_tui.screens.{screen}")
    nodes = [app, *_ours()]
    known = {binding.id: binding for node in nodes for binding in _bindings(node) if binding.id}
    overrides: dict[str, str] = {}
    for name, value in keys.items():
        if name not in known:
            raise CommandError(
                f"In [keys]: {name!r} is no action; there are {', '.join(sorted(known))}."
            )
        overrides[name] = ",".join(_key(name, key) for key in value.split(","))
    _refuse_clashes(overrides, app, nodes)
    return overrides


def _key(name: str, text: str) -> str:
    """One key as Textual names it."""
    *modifiers, key = text.strip().split("+")
    if len(key) == 1 and key.isprintable():
        (binding,) = Binding.make_bindings([Binding(key, "")])
        key = binding.key
    elif key not in _NAMED:
        raise CommandError(f"In [keys]: {name} = {text!r} is not the name of a key.")
    if not _MODIFIERS.issuperset(modifiers):
        raise CommandError(f"In [keys]: {name} = {text!r} is not the name of a key.")
    return "+".join([*modifiers, key])


def _refuse_clashes(
    overrides: Mapping[str, str], app: type[App[int]], nodes: Iterable[type[DOMNode]]
) -> None:
    """Refuse a person's key that would mean two things at once, or take a key of moving."""
    for name, value in overrides.items():
        if moving := _MOVING.intersection(value.split(",")):
            raise CommandError(
                f"In [keys]: {name} = {min(moving)!r} would take a key that moves in lists."
            )
    for node in nodes:
        alone = node is app or issubclass(node, ModalScreen)  # a dialog hides the app's keys
        taken: dict[str, str] = {}
        for binding in (*_bindings(node), *(() if alone else _bindings(app))):
            name = binding.id or f"to {binding.description or binding.action}".lower()
            for key in overrides.get(binding.id or "", binding.key).split(","):
                other = taken.setdefault(key, name)
                if other != name and overrides.keys() & {other, name}:
                    raise CommandError(
                        f"In [keys]: {key} would mean both {other} and {name}: give one of them "
                        "another key."
                    )


def _bindings(node: type[DOMNode]) -> Iterator[Binding]:
    """The bindings of a class and of what it is made from, one key each."""
    for part in node.__mro__:
        yield from Binding.make_bindings(vars(part).get("BINDINGS", ()))


def _ours(root: type[DOMNode] = DOMNode) -> Iterator[type[DOMNode]]:
    for node in root.__subclasses__():
        if node.__module__.startswith(_OURS) and not issubclass(node, App):
            yield node
        yield from _ours(node)
