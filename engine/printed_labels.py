"""The words that a printed line has before its values, and patterns that find such values again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine import metric_names
from engine.printed_lines import Line, Value

NUMBER = r"[-+.\w]+"
"""A number in a pattern that people read; what is no number is found out when it is read."""

# Words, then a sign, spaces, or nothing.
_WORDS = r"([A-Za-z][\w./@-]*(?: [A-Za-z0-9][\w./@-]*){0,%d})(\s*[:=]+\s*|\s+|)$"
_LABEL = re.compile(_WORDS % 2)
_SENTENCE = re.compile(_WORDS % 11)  # "Accuracy of the network on the 10000 test images: "
_BETWEEN = re.compile(r"[|,;(){}\[\]<>!?*#\"']|\.\s|\s-+>?\s")  # before it, another thing is said


@dataclass(frozen=True)
class Label:
    """A value of a line, and the words before it."""

    value: Value
    index: int  # among the parts of the line
    text: str
    separator: str
    first: bool  # nothing but spaces comes before it in the line

    @property
    def last_word(self) -> str:
        """The last word, in lower case."""
        return self.text.split()[-1].lower()


def labels(line: Line) -> list[Label]:
    """The values of a line that have words before them."""
    found: list[Label] = []
    before, first = "", True
    for index, part in enumerate(line.parts):
        if isinstance(part, str):
            before += part
            continue
        match = _match(_BETWEEN.split(before)[-1])
        if match:
            alone = first and not before[: len(before) - len(match[0])].strip()
            found.append(Label(part, index, match[1], match[2], alone))
        before, first = "", False
    return found


def _match(text: str) -> re.Match[str] | None:
    """The label at the end of a text: three words, or more where a score's name is before these."""
    match = _LABEL.search(text)
    if match and metric_names.is_score(match[1]) and metric_names.direction(match[1]) is None:
        longer = _SENTENCE.search(text)
        if longer and metric_names.direction(longer[1]) is not None:
            return longer
    return match


def label_pattern(label: Label) -> str:
    """A pattern of the label up to its value."""
    text = r"\s+".join(map(escaped, label.text.split()))
    sign = escaped(label.separator.strip())
    if not sign:
        return text + (r"\s+" if label.separator else "")
    space = r"\s*" if label.separator[:1].isspace() else ""
    return rf"{text}{space}{sign}\s*"


def value_pattern(line: Line, label: Label) -> str:
    """A pattern whose one group is the label's value."""
    begin = r"\b"
    if label.first and line.bare:
        begin = r"^\s*" if str(line.parts[0])[:1].isspace() else "^"
    behind = text_behind(line, label.index)
    number = r"\S+" if not behind or behind[0].isspace() else NUMBER
    if behind[:1].isalpha():  # a unit, which must not be taken for a part of the number
        number = r"[-+.\d]+(?:e[-+]\d+)?"
    return f"{begin}{label_pattern(label)}({number})"


def text_behind(line: Line, index: int) -> str:
    """The literal text directly behind a part of the line."""
    behind = line.parts[index + 1] if index + 1 < len(line.parts) else ""
    return behind if isinstance(behind, str) else ""


def escaped(text: str) -> str:
    """The text as a pattern; what needs no backslash gets none."""
    return re.sub(r"[.^$*+?{}\[\]\\|()]", r"\\\g<0>", text)
