"""Structural rules find by pattern, in scripts of any style, and nothing where nothing fits."""

from __future__ import annotations

import pytest

from target import lattice
from target.edit import Edit, apply, change
from target.gate import check
from target.sites import Site, find_sites

TORCH = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def structures(source: str) -> dict[str, Site]:
    return {site.id: site for site in find_sites(source) if site.kind == "structure"}


def turned(source: str, site: str, value: str) -> str:
    return apply(Edit((change(structures(source)[site], value),)), source)


def body(code: str, arguments: str = "x") -> str:
    indented = "".join(f"    {line}\n" for line in code.splitlines())
    return f"{TORCH}def f({arguments}):\n{indented}"


@pytest.mark.parametrize(
    ("code", "present", "wanted", "after"),
    [
        ("return F.relu(x).square()", "relu2", "gelu", "return F.gelu(x)"),
        ("return F.relu(x) ** 2", "relu2", "relu", "return F.relu(x)"),
        ("return torch.relu(x).pow(2)", "relu2", "silu", "return F.silu(x)"),
        ("return torch.square(F.relu(x))", "relu2", "tanh", "return torch.tanh(x)"),
        ("return F.gelu(x, approximate='tanh')", "gelu", "relu2", "return F.relu(x).square()"),
        ("return 1 - torch.tanh(x + 1)", "tanh", "relu", "return 1 - F.relu(x + 1)"),
        ("return (x + 1).relu()", "relu", "silu", "return F.silu(x + 1)"),
        ("return F.silu(\n  g(x),\n)", "silu", "relu2", "return F.relu(g(x)).square()"),
        ("return nn.GELU()(x)", "gelu", "relu", "return nn.ReLU()(x)"),
        ("return F.silu(x) * x", "silu", "gelu", "return F.gelu(x) * x"),
    ],
)
def test_activations_take_each_others_place(
    code: str, present: str, wanted: str, after: str
) -> None:
    source = body(code)
    (site,) = structures(source).values()
    assert (site.id, site.value) == ("activation:f", present)
    assert turned(source, site.id, wanted) == body(after)


@pytest.mark.parametrize(
    "code",
    [
        "return 30 * torch.tanh(x / 30)",
        "return torch.tanh(x / 30)",
        "return other.relu(x)",
        "return self.relu()",
        "return F.relu(*x)",
        "return f'{F.relu(x)}'",
        "return F.softmax(x)",
        "return nn.GELU",
    ],
)
def test_these_are_no_activations(code: str) -> None:
    assert structures(body(code)) == {}


def test_two_activations_of_one_function_are_two_sites() -> None:
    source = body("x = F.relu(x)\nreturn F.gelu(x)")
    assert list(structures(source)) == ["activation:f", "activation:f#2"]
    assert turned(source, "activation:f#2", "silu") == body("x = F.relu(x)\nreturn F.silu(x)")


ATTEND = "return F.scaled_dot_product_attention(q, k, v)"
NORMED = "q, k = norm(q), norm(k)"


def test_qk_norm_comes_and_goes() -> None:
    with_norm = body(f"{NORMED}\n{ATTEND}", "q, k, v").replace("def f", "def norm(x): pass\ndef f")
    without = turned(with_norm, "qk-norm:f", "off")
    assert NORMED not in without
    assert structures(without)["qk-norm:f"].operations == ("insert",)
    assert turned(without, "qk-norm:f", "on") == with_norm


def test_qk_norm_of_a_script_without_its_own_norm_is_torchs() -> None:
    source = turned(body(ATTEND, "q, k, v"), "qk-norm:f", "on")
    assert "    q, k = F.rms_norm(q, (q.size(-1),)), F.rms_norm(k, (k.size(-1),))\n" in source
    assert structures(source)["qk-norm:f"].value == "on"


@pytest.mark.parametrize(
    "code",
    [
        "q = self.q_norm(q)\nk = self.k_norm(k)\n" + ATTEND,
        f"if self.qk_norm:\n    {NORMED}\n{ATTEND}",
        "q, k = q_norm(q), k_norm(k)\nreturn (q @ k.transpose(-2, -1)).softmax(-1) @ v",
    ],
)
def test_qk_norm_is_found_in_other_forms(code: str) -> None:
    source = body(code, "self, q, k, v")
    candidate = turned(source, "qk-norm:f", "off")
    assert "norm(q)" not in candidate
    assert check(candidate, sealed=False) is None


@pytest.mark.parametrize(
    "code",
    [
        "return F.scaled_dot_product_attention(g(x), h(x), x)",
        "return a @ b.transpose(-2, -1)",
        f"q, k = norm(rope(q)), norm(rope(k))\n{ATTEND}",
    ],
)
def test_where_qk_norm_does_not_fit(code: str) -> None:
    assert structures(body(code, "a, b, q, k, v")) == {}


LOOP = """for x, y in data:
    for _ in range(4):
        loss = model(x)
        loss.backward()
    for group in optimizer.param_groups:
        group["lr"] = 1
    optimizer.step()
    scheduler.step()"""
CLIP = "nn.utils.clip_grad_norm_(model.parameters(), 1.0)"


def test_clipping_goes_behind_the_inner_loop_and_before_the_step() -> None:
    source = body(LOOP, "model, optimizer, data")
    candidate = turned(source, "gradient-clip:f", "1.0")
    place = "    optimizer.step()"
    assert candidate == body(LOOP.replace(place, f"    {CLIP}\n{place}"), "model, optimizer, data")
    assert turned(candidate, "gradient-clip:f", "off") == source
    stronger = turned(candidate, "gradient-clip:f", "0.3")
    assert stronger == candidate.replace("1.0", "0.3")


def test_clipping_at_module_level() -> None:
    source = TORCH + "model = nn.Linear(1, 1)\nloss.backward(); opt.step()\n"
    candidate = turned(source, "gradient-clip", "3.0")
    assert (
        "loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 3.0); opt.step()"
        in candidate
    )


def test_a_clip_whose_result_is_used_can_only_be_changed() -> None:
    code = f"loss.backward()\nnorm = {CLIP}\nopt.step()\nreturn norm"
    site = structures(body(code, "model, opt, loss"))["gradient-clip:f"]
    assert site.operations == ("replace",)
    assert "off" not in site.choices


@pytest.mark.parametrize(
    "code",
    [
        "loss.backward()\nscaler.step(optimizer)",
        "loss.backward()",
        "optimizer.step()",
        "loss.backward()\nscheduler.step()",
    ],
)
def test_where_clipping_does_not_fit(code: str) -> None:
    assert structures(body(code, "loss, optimizer, scheduler, scaler, model")) == {}


def test_the_schedule_changes_its_shape_and_back() -> None:
    source = body("return 0.1 + 0.9 * ((1.0 - progress) / COOLDOWN_FRAC)", "progress")
    for shape, value in (("cosine", 0.5), ("sqrt", 1 - 0.5**0.5), ("linear", 0.5)):
        source = turned(source, "schedule:f", shape) if shape != "linear" else source
        if shape == "linear":
            source = turned(source, "schedule:f", "linear")
        assert structures(source)["schedule:f"].value == shape
        scope: dict[str, object] = {"COOLDOWN_FRAC": 0.5}
        code = "\n".join(line for line in source.splitlines() if "torch" not in line)
        exec(code, scope)  # noqa: S102
        f = scope["f"]
        assert callable(f)
        assert f(0.75) == pytest.approx(0.1 + 0.9 * value)
        assert f(1.0) == pytest.approx(0.1)
        assert f(0.5) == pytest.approx(1.0)


def test_a_cosine_brings_its_import() -> None:
    source = '"""Doc."""\nfrom __future__ import annotations\n' + body("return (1 - p) / WARMDOWN")
    candidate = turned(source, "schedule:f", "cosine")
    assert candidate.startswith('"""Doc."""\nfrom __future__ import annotations\nimport math\n')
    assert check(candidate, sealed=False) is None


def test_frozen_structures_are_left_alone() -> None:
    assert structures(body("return F.relu(x)  # arl: frozen")) == {}


def test_every_structural_candidate_parses(any_script: str) -> None:
    for site in structures(any_script).values():
        for value in lattice.span(site):
            candidate = apply(Edit((change(site, value),)), any_script)
            assert check(candidate, sealed=False) is None


def test_the_shipped_script_has_every_rule(scripts: dict[str, str]) -> None:
    found = {site.partition(":")[0] for site in structures(scripts["shipped"])}
    assert found == {"activation", "qk-norm", "gradient-clip", "schedule"}
