"""The shipped train.py keeps the contract of a sealed target, and learns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file, save_file

from target import shipped
from target.edit import Edit, apply, change
from target.gate import check
from target.lattice import values
from target.sites import find_sites

VOCAB, TIME = 64, 16


class Run:
    """A harness of a fixed number of steps over a text that repeats itself."""

    def __init__(self, steps: int = 60) -> None:
        self.device = torch.device("cpu")
        self.seed, self.vocab_size, self.seq_len = 0, VOCAB, TIME
        self.progress = 0.0
        self.steps = steps
        self.reports: list[tuple[int, float]] = []
        self.batch_size = 0

    def batches(self, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self.batch_size = batch_size
        for step in range(self.steps):
            self.progress = step / self.steps
            rows = (torch.arange(TIME + 1) + torch.randint(VOCAB, (batch_size, 1))) % VOCAB
            yield rows[:, :-1], rows[:, 1:]
        self.progress = 1.0

    def dummy_batch(self, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("nothing is compiled on a CPU")

    def report(self, step: int, loss: float | torch.Tensor) -> None:
        self.reports.append((step, float(loss)))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def module(source: str) -> ModuleType:
    made = ModuleType("candidate")
    exec(compile(source, "train.py", "exec"), made.__dict__)  # noqa: S102
    return made


def test_it_passes_the_gate_and_names_its_knobs() -> None:
    source = shipped.read()
    assert check(source) is None
    knobs = [site for site in find_sites(source) if site.kind != "structure"]
    assert 18 <= len(knobs) <= 24
    assert all(knob.comment for knob in knobs)
    assert "seed" not in source.replace("seeds", "").lower()


def test_its_sites_stay_as_they_were() -> None:
    """Studies go on over new versions: what they have learnt is about these sites."""
    found = find_sites(shipped.read())
    assert [site.id for site in found] == [
        *("DEPTH", "WIDTH", "HEAD_DIM", "MLP_RATIO", "ROPE_BASE", "LOGIT_CAP", "EMBED_STD"),
        *("BATCH_TOKENS", "MATRIX_LR", "EMBED_LR", "HEAD_LR", "SCALAR_LR", "WEIGHT_DECAY"),
        *("MOMENTUM", "NEWTON_SCHULZ_STEPS", "ADAM_BETA1", "ADAM_BETA2"),
        *("WARMUP", "WARMDOWN", "FINAL_LR"),
        *("qk-norm:Attention.forward", "activation:MLP.forward", "schedule:lr_scale"),
        "gradient-clip:train",
    ]
    assert [(site.id, site.name) for site in found if site.kind != "structure"] == [
        (site.id, site.id) for site in found if site.kind != "structure"
    ]


def test_it_learns_and_reports() -> None:
    script, run = module(shipped.read()), Run()
    model = script.build_model(VOCAB, TIME)
    script.train(model, run)
    steps = [step for step, _ in run.reports]
    assert steps == sorted(set(steps))
    assert run.batch_size * TIME == script.BATCH_TOKENS
    first, last = run.reports[0][1], run.reports[-1][1]
    assert first == pytest.approx(math.log(VOCAB), abs=0.01)  # it starts knowing nothing
    assert last < 0.5 * first


def test_weights_survive_a_file_and_a_new_model(tmp_path: Path) -> None:
    script = module(shipped.read())
    model = script.build_model(VOCAB, TIME)
    script.train(model, Run(3))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    again = script.build_model(VOCAB, TIME)
    again.load_state_dict(load_file(tmp_path / "w.safetensors"), strict=True)
    idx = torch.randint(VOCAB, (2, TIME))
    with torch.no_grad():
        assert torch.equal(model(idx), again(idx))


def test_logits_are_causal_and_shaped() -> None:
    script = module(shipped.read())
    model = script.build_model(VOCAB, TIME)
    script.train(model, Run(3))
    idx = torch.randint(VOCAB, (2, TIME))
    changed = idx.clone()
    changed[:, 9:] = 0
    with torch.no_grad():
        logits, other, short = model(idx), model(changed), model(idx[:, :5])
    assert logits.shape == (2, TIME, VOCAB)
    torch.testing.assert_close(logits[:, :9], other[:, :9])
    torch.testing.assert_close(logits[:, :5], short)


def test_an_update_of_muon_is_orthogonal() -> None:
    script = module(shipped.read())
    for shape in ((3, 8, 8), (2, 4, 16), (2, 16, 4)):
        singular = torch.linalg.svdvals(script.orthogonalize(torch.randn(shape)))
        assert singular.min() > 0.5
        assert singular.max() < 1.3


def test_the_learning_rate_comes_down_to_its_end() -> None:
    scale = module(shipped.read()).lr_scale
    assert scale(0.0) == 1.0
    assert scale(1.0) == 0.0
    assert scale(0.75) == pytest.approx(0.5)
    warm = module(shipped.read().replace("WARMUP = 0.0", "WARMUP = 0.2")).lr_scale
    assert warm(0.0) == 0.0
    assert warm(0.1) == pytest.approx(0.5)


@pytest.mark.parametrize("site", [site.id for site in find_sites(shipped.read())])
def test_every_neighbour_trains(site: str) -> None:
    source = shipped.read()
    found = {s.id: s for s in find_sites(source)}[site]
    row = values(found)
    here = row.index(found.value)
    near = row if found.kind == "structure" else row[max(0, here - 1) : here + 2]
    for value in near:
        if value == found.value:
            continue
        script, run = module(apply(Edit((change(found, value),)), source)), Run(4)
        model = script.build_model(VOCAB, TIME)
        script.train(model, run)
        with torch.no_grad():
            assert torch.isfinite(model(torch.zeros(1, TIME, dtype=torch.long))).all()
