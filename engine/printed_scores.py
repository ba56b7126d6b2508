"""Where a script's output has its score, its peak of memory and its progress: as patterns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine import metric_names
from engine.metric_names import Direction
from engine.printed_labels import Label, labels, text_behind, value_pattern
from engine.printed_lines import Line, Value, printed_lines
from engine.printed_progress import progress_pattern

_LONGEST_NAME = 40
_ALONE = r"^\s*([-+]?(?:[\d.]+(?:[eE][-+]?\d+)?|nan|inf))\s*$"  # a line that is one number


@dataclass(frozen=True)
class PrintedScore:
    """A number that a script prints and that may be its score."""

    name: str
    pattern: str
    direction: Direction | None
    line: int
    rank: int  # how much it looks like the score; more is better
    repeated: bool = False  # printed in a loop

    @property
    def likely(self) -> bool:
        """Whether it is a score by its name, and not one of what is trained on."""
        training = metric_names.is_training(self.name)
        seen = training or (self.repeated and not metric_names.is_held_out(self.name))
        return self.direction is not None and not seen


@dataclass(frozen=True)
class Output:
    """What a script's output says, the likeliest score first; None where it does not say it."""

    scores: tuple[PrintedScore, ...] = ()
    memory: str | None = None
    progress: str | None = None

    @property
    def likely(self) -> tuple[PrintedScore, ...]:
        """Those that a person could mean: more than one is a reason to ask."""
        return tuple(score for score in self.scores if score.likely)

    def score(self, name: str) -> PrintedScore | None:
        """The printed score with this name, whatever its case of letters and its punctuation."""
        wanted = metric_names.words(name)
        return next((s for s in self.scores if metric_names.words(s.name) == wanted), None)


def read_output(text: str) -> Output:
    """What the script `text` prints. Raises SourceError when it does not parse."""
    lines = printed_lines(text)
    labelled = [(line, label) for line in lines for label in labels(line)]
    scores = [_score(*found) for found in labelled if metric_names.is_score(found[1].text)]
    if any(score.likely for score in scores):
        scores = [score for score in scores if score.direction]
    else:
        scores += [_alone(line) for line in lines if _is_alone(line)]
    memory = [value_pattern(*found) for found in labelled if _is_memory(*found)]
    return Output(
        scores=_likeliest_first(scores),
        memory=memory[-1] if memory else None,
        progress=progress_pattern(lines),
    )


def _likeliest_first(scores: Iterable[PrintedScore]) -> tuple[PrintedScore, ...]:
    """Each name once; of equals, the one that is printed last."""
    found: dict[tuple[str, ...], PrintedScore] = {}
    for score in sorted(scores, key=lambda score: (-score.rank, -score.line)):
        found.setdefault(tuple(metric_names.words(score.name)), score)
    return tuple(found.values())


def _score(line: Line, label: Label) -> PrintedScore:
    words = label.text.split()
    name = label.text if len(words) == 1 else "_".join(words).lower()
    which = metric_names.direction(name)
    rank = 2 * metric_names.is_held_out(name) - 3 * metric_names.is_training(name)
    rank += 2 * (not line.repeated)
    pattern = value_pattern(line, label)
    return _ranked(
        PrintedScore(name[:_LONGEST_NAME], pattern, which, line.number, rank, line.repeated)
    )


def _ranked(score: PrintedScore) -> PrintedScore:
    return replace(score, rank=score.rank + 4 * score.likely)


def _is_memory(line: Line, label: Label) -> bool:
    """Whether it is a peak of memory; the unit may stand behind the value."""
    unit = re.match(r"\s*([A-Za-z]+)", text_behind(line, label.index))
    return metric_names.is_memory_mb(f"{label.text} {unit[1].lower() if unit else ''}")


def _is_alone(line: Line) -> bool:
    values = [part for part in line.parts if isinstance(part, Value)]
    rest = "".join(part for part in line.parts if isinstance(part, str))
    return len(values) == 1 and not rest.strip() and not line.repeated and line.bare


def _alone(line: Line) -> PrintedScore:
    (shown,) = (part.name for part in line.parts if isinstance(part, Value))
    name = shown[:_LONGEST_NAME] if shown and metric_names.is_score(shown) else "score"
    which = metric_names.direction(name) if shown else None
    return _ranked(PrintedScore(name, _ALONE, which, line.number, 1))
