"""The shipped policy's weights, and how weights are read: as plain tensors, checked to fit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from policy import features
from policy.contract import PolicyError
from policy.network import EditNetwork, Shape

SHIPPED = Path(__file__).with_name("ppo.safetensors")
VERSION = 1  # of what the numbers in the network's input mean


def save(network: EditNetwork, path: Path) -> None:
    """Write a network's weights and what they need to be read."""
    about = {
        "version": VERSION,
        "shape": asdict(network.shape),
        "sizes": features.sizes(),
    }
    partial = path.with_suffix(".partial")
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, partial, metadata={"arl-tui": json.dumps(about)})
    partial.chmod(0o644)  # the writer makes it private
    partial.replace(path)


def load(path: Path) -> EditNetwork:
    """The network of a file of weights. Raises PolicyError in one sentence."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("arl-tui", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise PolicyError(f"there are no weights at {path}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise PolicyError(f"the weights {path} cannot be read: {error}") from None
    if not isinstance(about, dict):
        about = {}
    if about.get("version") != VERSION or about.get("sizes") != features.sizes():
        raise PolicyError(
            f"the weights {path} are of version {about.get('version')} and do not fit this "
            f"program's version {VERSION}: make new ones with `make pretrain`"
        )
    try:
        network = EditNetwork(Shape(**about["shape"]))
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise PolicyError(f"the weights {path} do not fit the network that they describe") from None
    return network
