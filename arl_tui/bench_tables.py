"""The table of `bench policies`, and the legend that says how to read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.bench_report import Cost, Paired, Row

_LABEL = 18

_COMPARED = """\
Lower is better everywhere.
sd: the standard deviation between studies.
won: the share of the studies in which no policy was better; ties are shared.
vs {first}: the mean difference in {scale} from {first}, study by study (negative is
  better), with its 95 % interval (paired t).
p: Wilcoxon's signed-rank test, two-sided, not corrected for the number of comparisons.
failed: experiments without a score.
exhausted: studies in which nothing was left to try; their curves stay flat from there.
asks/s, tells/s: proposals and outcomes per second spent in the policy."""
_LEGENDS = {
    "simulated": """\
mean, median: the true score of the incumbent in sigma of the noise; the baseline is 0.
  The incumbent is chosen by noisy scores, so that bad luck can cost gain.
left: the share of the possible gain that is left (regret), 1 at the baseline and 0 at
  the best known; this is what policies are compared on.
""",
    "real": """\
mean, median: the measured val-bpb of the incumbent: the best of many, so optimistic.
again: the mean of fresh runs of each study's last incumbent, which is not.
""",
}


def legend(kind: str, first: str) -> str:
    """How to read the table."""
    scale = "`left`" if kind == "simulated" else "val-bpb"
    return _LEGENDS[kind] + _COMPARED.format(first=first, scale=scale)


def result_lines(rows: Sequence[Row], kind: str) -> list[str]:
    """A block for each number of experiments, at most 80 columns wide."""
    lines: list[str] = []
    digits = 2 if kind == "simulated" else 4
    left, wide = (f"{'left':>6}", 21) if kind == "simulated" else ("", 27)
    first = rows[0].policy
    versus = f"vs {first}" if len(first) <= 16 else "vs the first"
    block: object = ()
    for row in rows:
        if row.after != block:
            block = row.after
            title = "again" if row.after is None else f"after {row.after}"
            lines += [""] if lines else []
            lines.append(
                f"{title:<{_LABEL}}{'mean':>8}{'median':>8}{'sd':>7}{left}{'won':>6}"
                f"{versus:>{wide}}{'p':>6}"
            )
        numbers = f"{row.mean:>8.{digits}f}{row.median:>8.{digits}f}{_number(row.sd, digits):>7}"
        if kind == "simulated":
            numbers += f"{_number(row.regret, 2):>6}"
        numbers += f"{100 * row.won:>4.0f} %"
        lines += _labelled(row.policy, numbers + _against(row.against_first, digits, wide))
    return lines


def cost_lines(costs: Sequence[Cost]) -> list[str]:
    """Failures and speed, a line for each policy."""
    head = f"{'policy':<{_LABEL}}{'experiments':>12}{'failed':>8}{'exhausted':>10}"
    lines = [f"{head}{'asks/s':>9}{'tells/s':>9}"]
    for cost in costs:
        numbers = f"{cost.experiments:>12,}{100 * cost.failed:>6.1f} %{cost.exhausted:>10}"
        numbers += f"{_rate(cost.asks_per_second):>9}{_rate(cost.tells_per_second):>9}"
        lines += _labelled(cost.policy, numbers)
    return lines


def _against(paired: Paired | None, digits: int, wide: int) -> str:
    if paired is None:
        return " " * (wide + 6)
    text = f"{paired.difference:+.{digits}f}"
    if paired.low is not None and paired.high is not None:
        text += f" [{paired.low:+.{digits}f}, {paired.high:+.{digits}f}]"
    p = "" if paired.p is None else "<.001" if paired.p < 0.001 else f"{paired.p:.3f}"
    return f"{text:>{wide}}{p:>6}"


def _labelled(label: str, numbers: str) -> list[str]:
    """The numbers after the label, or below one that is too long."""
    if len(label) <= _LABEL:
        return [f"{label:<{_LABEL}}{numbers}".rstrip()]
    return [label, f"{'':<{_LABEL}}{numbers}".rstrip()]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
