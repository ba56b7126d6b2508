"""Whether a script may use, or set, something of a module, by its full dotted name."""

from __future__ import annotations

from target import allowed


def reason_against(path: str, *, stored: bool) -> tuple[str, str] | None:
    """What is refused about the name of an allowed module, and why; None when it may be used."""
    names = path.split(".")
    for end in range(1, len(names) + 1):
        first = ".".join(names[:end])
        if first in allowed.DENIED:
            return f"uses {first}", allowed.DENIED[first]
    what = f"{'sets' if stored else 'uses'} {path}"
    if _is_private(names) and not path.startswith(allowed.PRIVATE_USED):
        return what, "private names of a module are its own affair"
    for name in names[1:]:
        if name in allowed.REACHED or name in allowed.ATTRIBUTES:
            return what, allowed.ATTRIBUTES.get(name, "modules are reached by import alone")
    if stored and not path.startswith(allowed.SETTINGS):
        return what, "a candidate changes no module but its own"
    if not _is_part(names):
        some = ", ".join(sorted(allowed.PARTLY[names[0]]))
        return what, f"of {names[0]}, only {some} are allowed"
    return None


def is_dunder(name: str) -> bool:
    """Whether it is one of Python's own names, such as `__init__`."""
    return name.startswith("__") and name.endswith("__")


def _is_private(names: list[str]) -> bool:
    return any(name.startswith("_") and not is_dunder(name) for name in names)


def _is_part(names: list[str]) -> bool:
    """Whether the name belongs to the allowed part of a module that is allowed in part."""
    for end in (2, 1):
        module = ".".join(names[:end])
        if module in allowed.PARTLY:
            rest = names[end:]
            return not rest or rest[0] in allowed.PARTLY[module]
    return True
