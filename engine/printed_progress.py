"""Where a script's progress lines have loss, step and share of the training done: as a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine import metric_names
from engine.printed_labels import NUMBER, Label, escaped, label_pattern, labels, text_behind
from engine.printed_lines import Line, Value

_STEPS = ("step", "steps", "iter", "iters", "iteration", "it", "update", "batch")
_EPOCHS = ("epoch", "epochs", "ep")
_SHARES = ("progress", "done", "percent", "complete")
_LONGEST = 1000  # characters of a pattern


def progress_pattern(lines: Sequence[Line]) -> str | None:
    """A pattern of the last kind of line that a loop prints a loss in; None where none does.

    Its groups are loss, and step, total or percent where the line has them.
    """
    patterns = [_pattern(line) for line in lines if line.repeated]
    return next((found for found in reversed(patterns) if found), None)


def _pattern(line: Line) -> str | None:
    known = {label.index: label for label in labels(line)}
    groups = _groups(line, known)
    if "loss" not in groups.values():
        return None
    begin = known.get(min(groups))
    text = "" if begin is None else rf"\b{label_pattern(begin)}"
    for index in range(min(groups), max(groups) + 1):
        part = line.parts[index]
        if isinstance(part, str):
            text += _literal(part)
        elif index in groups:
            text += rf"\s*{_group(groups[index])}" + ("%" if part.spec.endswith("%") else "")
        else:
            text += ".*?"
    text = re.sub(r"(\\s[*+])(?:\\s\*)+", r"\1", text)
    return text if len(text) <= _LONGEST else None


def _groups(line: Line, known: Mapping[int, Label]) -> dict[int, str]:
    """Which parts of a line are the loss, the step, the number of steps and the percentage."""
    groups: dict[int, str] = {}
    step = _step(known)
    if step is not None:
        groups[step] = "step"
        if text_behind(line, step).strip() == "/" and _is_count(line, step + 2):
            groups[step + 2] = "total"
    for index, part in enumerate(line.parts):
        if isinstance(part, Value) and index not in groups:
            percent = part.spec.endswith("%") or text_behind(line, index).lstrip()[:1] == "%"
            of_training = index not in known or known[index].last_word in _SHARES
            if percent and of_training and "percent" not in groups.values():
                groups[index] = "percent"
    losses = [
        (metric_names.is_training(label.text), -index)
        for index, label in known.items()
        if label.last_word.endswith("loss") and not metric_names.is_held_out(label.text)
    ]
    if losses:
        groups[-max(losses)[1]] = "loss"
    return groups


def _step(known: Mapping[int, Label]) -> int | None:
    """The value that counts steps; without one, the one that counts epochs."""
    for words in (_STEPS, _EPOCHS):
        for index, label in known.items():
            if label.last_word in words and not re.search(r"[,.eEfgG%]", label.value.spec):
                return index
    return None


def _is_count(line: Line, index: int) -> bool:
    part = line.parts[index] if index < len(line.parts) else ""
    return isinstance(part, Value) and not re.search(r"[,.eEfgG%]", part.spec)


def _group(name: str) -> str:
    number = {"loss": NUMBER, "percent": r"[\d.]+"}.get(name, r"\d+")
    return f"(?P<{name}>{number})"


def _literal(text: str) -> str:
    """Literal text as a pattern in which spaces may be more, fewer or none."""
    pieces = re.split(r"(\s+)", text)
    return "".join(r"\s*" if piece.isspace() else escaped(piece) for piece in pieces if piece)
