"""The termination oracle: when going on is pointless or unaffordable, and why.

Each criterion stands on its own and reads the same facts; it explains itself in one sentence,
whether it says stop or not yet. What each is for, and what it does not know: docs/oracle.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine import convergence
from engine.convergence import Record
from engine.failures import Streaks
from engine.score_words import BPB_WORDS, ScoreWords
from engine.settings import Convergence, Limits


@dataclass(frozen=True)
class Facts:
    """What the criteria look at."""

    experiments: int  # recorded in all
    after_baseline: int  # of these, neither baseline nor replicate
    hours: float  # that the study has run, over all its engines
    disk_free_gb: float
    device_hours: float = 0.0  # that trials have occupied slots, over all engines
    kwh: float | None = None  # that the devices have used; None if none tells its power
    memory_free_gb: float | None = None  # the most within the last minute, in GiB
    first: float | None = None  # the score of the epoch's first incumbent
    best: float | None = None  # of the present one
    record: Callable[[float], Record] = lambda epsilon: Record(0)  # gains above an epsilon
    waiting: int = 0  # candidates that may become a gain
    streaks: Streaks = field(default_factory=Streaks)
    changed: tuple[str, ...] = ()  # frozen files that are not what they were


@dataclass(frozen=True)
class Reading:
    """One criterion now: the share of its limit that is used, and a sentence with numbers.

    `used` is None where it cannot be measured. `drain` says that what is queued already may still
    run, because the criterion has counted it; `urgent` that not even what runs may go on; `fault`
    that something is wrong, so that the study is stopped and not finished.
    """

    name: str
    used: float | None
    stop: bool
    sentence: str
    drain: bool = False
    urgent: bool = False
    fault: bool = False


Criterion = Callable[[Facts], Reading]


def criteria(
    limits: Limits, frozen: int = 0, words: ScoreWords = BPB_WORDS
) -> tuple[Criterion, ...]:
    """The criteria that are on; so many files are `frozen`, and `words` are the metric's."""
    chosen: list[Criterion] = []
    if frozen:
        chosen.append(_frozen(frozen))
    if limits.max_experiments is not None:
        chosen.append(_count("experiments", limits.max_experiments, lambda f: f.experiments))
    if limits.max_after_baseline is not None:
        chosen.append(
            _count(
                "experiments after the baseline",
                limits.max_after_baseline,
                lambda f: f.after_baseline,
            )
        )
    if limits.max_hours is not None:
        chosen.append(_hours(limits.max_hours))
    if limits.max_device_hours is not None:
        chosen.append(_device_hours(limits.max_device_hours))
    if limits.max_kwh is not None:
        chosen.append(_energy(limits.max_kwh))
    if limits.max_cost is not None and limits.price_per_hour is not None:
        chosen.append(_cost(limits.max_cost, limits.price_per_hour))
    if limits.target_bpb is not None:
        chosen.append(_target(limits.target_bpb, words))
    if limits.convergence is not None:
        chosen.append(_convergence(limits.convergence, words))
    if limits.max_failures or limits.max_failures_alike:
        chosen.append(_failures(limits.max_failures_alike, limits.max_failures))
    if limits.max_rerun_failures:
        chosen.append(_rerun_failures(limits.max_rerun_failures))
    if limits.min_disk_gb > 0:
        chosen.append(_disk(limits.min_disk_gb))
    if limits.min_memory_gb > 0:
        chosen.append(_memory(limits.min_memory_gb))
    return tuple(chosen)


def consult(chosen: Sequence[Criterion], facts: Facts) -> tuple[Reading, ...]:
    """What every criterion says, the most used first."""
    readings = [criterion(facts) for criterion in chosen]
    return tuple(sorted(readings, key=lambda r: (not r.stop, 1.0 if r.used is None else -r.used)))


def verdict(readings: Sequence[Reading]) -> Reading | None:
    """The criterion that says stop, or None. Of several, one that waits for nothing."""
    stops = [reading for reading in readings if reading.stop]
    return min(stops, key=lambda r: (not r.urgent, not r.fault, r.drain), default=None)


def _count(name: str, limit: int, count: Callable[[Facts], int]) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        done = count(facts)
        sentence = f"{done} of {limit} {name} are done"
        return Reading(name, done / limit, done >= limit, sentence, drain=True)

    return criterion


def _hours(limit: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        sentence = f"the study has run for {facts.hours:.2f} of {limit:g} hours"
        return Reading("hours", facts.hours / limit, facts.hours >= limit, sentence)

    return criterion


def _device_hours(limit: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        used = facts.device_hours
        sentence = f"experiments have occupied devices for {used:.2f} of {limit:g} hours"
        return Reading("device hours", used / limit, used >= limit, sentence)

    return criterion


def _energy(limit: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        used = facts.kwh
        if used is None:
            sentence = f"no device tells its power here: {limit:g} kWh cannot be counted"
            return Reading("energy", None, False, sentence)
        sentence = f"the devices have used {used:.3f} of {limit:g} kWh"
        return Reading("energy", used / limit, used >= limit, sentence)

    return criterion


def _cost(limit: float, price: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        cost = facts.hours * price
        sentence = f"{facts.hours:.2f} hours at {price:g} each have cost {cost:.2f} of {limit:g}"
        return Reading("cost", cost / limit, cost >= limit, sentence)

    return criterion


def _target(given: float, words: ScoreWords) -> Criterion:
    target = words.raw(given)

    def criterion(facts: Facts) -> Reading:
        if facts.best is None or facts.first is None:
            return Reading("target", 0.0, False, f"nothing is scored yet; {given:g} is the target")
        sentence = f"the incumbent scores {words.score(facts.best)}; {given:g} is the target"
        if facts.best <= target:
            return Reading("target", 1.0, True, sentence)
        way = facts.first - target
        used = (facts.first - facts.best) / way if way > 0 else 0.0
        return Reading("target", min(max(used, 0.0), 1.0), False, sentence)

    return criterion


def _convergence(rule: Convergence, words: ScoreWords) -> Criterion:
    least = convergence.needed(rule)
    gain = f"a gain above {rule.epsilon:g}{words.unit}" if rule.epsilon else "a gain"

    def criterion(facts: Facts) -> Reading:
        record = facts.record(rule.epsilon)
        found = convergence.estimate(record, rule.experiments)
        percent = 100 * found.chance
        about = f"{percent:.0f}" if percent >= 9.95 else f"{percent:.1f}"
        stop = convergence.converged(record, rule) and not facts.waiting
        sentence = (
            f"the chance of {gain} in the next {rule.experiments} experiments is about {about} %, "
            f"and {100 * rule.delta:g} % is too small: {len(record.gains)} of {record.tries} tries "
            f"gained, none of the last {record.fruitless}"
        )
        if stop:
            sentence += "; `run --no-convergence` goes on"
        elif facts.waiting:
            sentence += f"; {facts.waiting} may yet"
        elif record.fruitless < least:
            sentence += f", and it takes {least}"
        used = (1 / found.chance - 1) / (1 / rule.delta - 1) if found.chance > 0 else 1.0
        return Reading("convergence", min(used, 1.0), stop, sentence)

    return criterion


def _failures(alike: int, any_: int) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        streak = facts.streaks.candidates
        limits = [f"{alike} in a row for one reason"] * bool(alike)
        limits += [f"{any_} for any"] * bool(any_)
        if not streak:
            sentence = f"the last candidate did not fail; {' or '.join(limits)} are the end"
            return Reading("failures", 0.0, False, sentence)
        found: list[tuple[float, str]] = []
        if alike:
            same = facts.streaks.alike
            sentence = f"{same} of {alike} candidates in a row failed alike: {streak[-1]}"
            found.append((same / alike, sentence))
        if any_:
            often, count = facts.streaks.commonest()
            sentence = f"{len(streak)} of {any_} candidates in a row failed, {count} alike: {often}"
            found.append((len(streak) / any_, sentence))
        used, sentence = max(found, key=lambda one: one[0])
        return Reading("failures", used, used >= 1, sentence, fault=True)

    return criterion


def _rerun_failures(limit: int) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        streak = facts.streaks.reruns
        if facts.best is None or not streak:  # a baseline that fails is told otherwise
            sentence = f"the last run of the incumbent did not fail; {limit} in a row are the end"
            return Reading("re-runs", 0.0, False, sentence)
        count = len(streak)
        sentence = f"{count} of {limit} runs of the incumbent in a row failed: {streak[-1]}"
        if count >= limit:
            sentence += "; it has scored before, so look at the machine"
        return Reading("re-runs", count / limit, count >= limit, sentence, fault=True)

    return criterion


def _disk(least: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        free = facts.disk_free_gb
        used = min(1.0, least / free) if free > 0 else 1.0
        sentence = f"{free:.1f} GB of disk are free, {least:g} GB must stay free"
        return Reading("disk", used, free < least, sentence, urgent=True, fault=True)

    return criterion


def _frozen(count: int) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        if not facts.changed:
            sentence = f"{count} frozen file{' is' if count == 1 else 's are'} as before"
            return Reading("frozen files", 0.0, False, sentence)
        names = ", ".join(facts.changed)
        sentence = (
            f"{names} changed while the study ran: restore it, or measure baseline and incumbent "
            "anew with `run --rebaseline`"
        )
        return Reading("frozen files", 1.0, True, sentence, urgent=True, fault=True)

    return criterion


def _memory(least: float) -> Criterion:
    def criterion(facts: Facts) -> Reading:
        free = facts.memory_free_gb
        if free is None:
            sentence = f"{least:g} GiB of memory must stay free; it is watched for a minute first"
            return Reading("memory", None, False, sentence)
        used = min(1.0, least / free) if free > 0 else 1.0
        sentence = (
            f"{free:.1f} GiB of memory were free at most in the last minute, {least:g} GiB must be"
        )
        return Reading("memory", used, free < least, sentence, urgent=True, fault=True)

    return criterion
