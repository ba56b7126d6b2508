"""What a script prints is read from its text, and the patterns find it in what it really prints."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import metric_names
from engine.printed_scores import Output, read_output
from target.source import decode

NAMES = st.sampled_from(
    ["val_loss", "val loss", "Final test accuracy", "eval/ppl", "validation-bpb", "F1", "reward"]
)
SEPARATORS = st.sampled_from([": ", "=", " = ", ":         ", " "])
SPECS = st.sampled_from([".4f", ".6f", ".3e", "g"])
STYLES = st.sampled_from(["f-string", "percent", "format", "arguments", "sum"])


def statement(style: str, text: str, spec: str, behind: str) -> str:
    """A print of `text`, the variable x and what comes behind it."""
    return {
        "f-string": f"print(f{text + '{x:' + spec + '}' + behind!r})",
        "percent": f"print({text + '%' + spec + behind.replace('%', '%%')!r} % x)",
        "format": f"print({text + '{:' + spec + '}' + behind!r}.format(x))",
        "arguments": f"print({text.rstrip(' ')!r}, x)",
        "sum": f"print({text!r} + str(x) + {behind!r})",
    }[style]


def printed(source: str, **values: object) -> list[str]:
    """The lines that a source prints."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(source, dict(values))  # noqa: S102
    return re.split(r"[\r\n]+", stream.getvalue())


def last(pattern: str, lines: list[str]) -> str:
    """The first group in the last line that matches: the score of a command target."""
    found = [match for line in lines if (match := re.search(pattern, line))]
    assert found, (pattern, lines)
    return str(found[-1][1])


@settings(deadline=None, derandomize=True)
@given(
    NAMES,
    SEPARATORS,
    SPECS,
    STYLES,
    st.sampled_from(["", "%", ", done", " (best)", "s"]),
    st.floats(-1e6, 1e6),
)
def test_a_printed_number_is_found_again(
    name: str, separator: str, spec: str, style: str, behind: str, value: float
) -> None:
    source = statement(style, name + separator, spec, behind)
    (score,) = read_output(source).scores
    assert metric_names.words(score.name) == metric_names.words(name)
    assert score.direction == metric_names.direction(name)
    shown = value if style in ("arguments", "sum") else float(format(value, spec))
    assert float(last(score.pattern, printed(source, x=value))) == pytest.approx(shown)


@settings(deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.floats(0, 100),
    st.floats(-100, 100),
    st.sampled_from(
        [
            "step {step:05d} ({percent:.1f}%) | loss: {loss:.6f} | lr: 3e-4",
            "step {step:05d}/{total:05d} ({percent:.2f}%) | loss: {loss:.6f}",
            "iter {step}: loss {loss:.4f}, time 3.2ms",
            "[epoch 3] step {step:6d}/{total} train_loss={loss:.3f} val_loss=0.1",
            "loss {loss:+.5f} at step {step}",
            "epoch {step}: lr 0.1, loss {loss:.4f}, mfu 31.2%",
            "\rstep {step} | {percent:5.1f}% | loss {loss:.5f}    ",
        ]
    ),
)
def test_progress_lines_are_found_again(
    step: int, total: int, percent: float, loss: float, line: str
) -> None:
    source = f"for _ in range(2):\n    print(f{line!r})\n"
    pattern = read_output(source).progress
    assert pattern is not None
    values = {"step": step, "total": total, "percent": percent, "loss": loss}
    found = [m for text in printed(source, **values) if (m := re.search(pattern, text))]
    assert len(found) == 2
    groups = found[0].groupdict()
    assert {"loss", "step"} <= groups.keys() <= values.keys()
    assert ("total" in groups, "percent" in groups) == ("{total" in line, "{percent" in line)
    for name, text in groups.items():
        assert float(text) == pytest.approx(values[name], abs=0.051)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ('print(f"val_loss: {a}")\nprint(f"accuracy: {b}")', ["val_loss", "accuracy"]),
        ('print(f"train loss {a}, val loss {b}")', ["val_loss"]),
        ('for s in r:\n    print(f"loss: {a}")', []),
        ('for s in r:\n    print(f"step {s} | Validation bpb: {a}")', ["validation_bpb"]),
        ('print(f"total time: {a}")\nprint(f"lr: {b}")', []),
        ('logger.info("Final F1 = %.3f", f1)', ["final_f1"]),
        ("log(f\"auc: {m['auc']}\")", ["auc"]),
        ('print(f"val_loss: {a}", file=results)', []),
        ('print(f"val_loss: {a}", file=sys.stderr)', ["val_loss"]),
        ('open("x").write(f"val_loss: {a}")', []),
        ('print("MAE on validation set: %.4f" % mae)', ["mae_on_validation_set"]),
        (
            "print(f'Accuracy of the network on the 10000 test images: {a} %')",
            ["accuracy_of_the_network_on_the_10000_tes"],
        ),
        ('print(f"The loss is now saved to disk: {a}")', ["the_loss_is_now_saved_to_disk"]),
        ('print(f"loss after so and so many steps: {a}")', []),
        ("print(val_loss)", ["val_loss"]),
        ("print(f'{metrics[\"accuracy\"]:.3f}')", ["accuracy"]),
        ("print(round(float(best_reward), 3))", ["best_reward"]),
    ],
)
def test_which_numbers_could_be_the_score(source: str, names: list[str]) -> None:
    assert [score.name for score in read_output(source).likely] == names


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_bpb", "min"), ("testError", "min"), ("eval/RMSE", "min"), ("perplexity", "min"),
        ("top1 accuracy", "max"), ("mean_reward", "max"), ("loss_score", "max"), ("result", None),
    ],
)  # fmt: skip
def test_the_direction_is_in_the_name(name: str, direction: str | None) -> None:
    assert metric_names.direction(name) == direction


def test_a_number_without_words_is_a_score_whose_direction_is_unknown() -> None:
    source = "x = 3 * 7\nprint(x)\n"
    (score,) = read_output(source).scores
    assert (score.name, score.direction) == ("x", None)
    assert last(score.pattern, printed(source)) == "21"
    assert read_output("print('ready')\n") == Output()


def test_a_number_at_the_end_comes_before_the_loss_of_training() -> None:
    source = (
        'for s in r:\n    print(f"loss: {a}")\nprint(f"result: {b}")\nprint(f"train_loss: {c}")'
    )
    assert [score.name for score in read_output(source).scores] == ["result", "loss", "train_loss"]
    assert read_output(source).likely == ()


def test_memory_has_its_unit_in_the_name_or_behind_the_number() -> None:
    for source, shown in (
        ('print(f"peak_vram_mb:     {x:.1f}")', "512.5"),
        ('print(f"Peak memory usage: {x:.2f}MiB")', "512.50"),
    ):
        pattern = read_output(source).memory
        assert pattern is not None
        assert last(pattern, printed(source, x=512.5)) == shown
    assert read_output('print(f"memory: {x:.2f} GB")').memory is None


def test_odd_scripts_are_read_as_they_print(odd_scripts: ModuleType, tmp_path: Path) -> None:
    for name in ("ten_lines", "tabs", "windows_line_ends", "byte_order_mark", "latin_1"):
        path = odd_scripts.write(name, tmp_path / name)
        output = read_output(decode(path.read_bytes()))
        assert [score.name for score in output.likely] == ["val_loss"]
        run = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
        assert float(last(output.likely[0].pattern, run.stdout.splitlines())) >= 0
        assert (output.progress is not None) is ("step" in run.stdout)
