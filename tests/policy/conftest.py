"""Property tests try the same examples in every run; a small network stands in for the shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same")


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights of a small network that has learnt nothing."""
    import torch

    from policy import weights
    from policy.network import EditNetwork, Shape

    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    torch.manual_seed(3)
    shape = Shape(width=16, layers=1, heads=2, inner=16, scorer=8, pair=4)
    weights.save(EditNetwork(shape), path)
    return path
