"""Patches the loading of weights, so that buffers which were never handed in take part."""
# expect: scored crash
# gate: refuses
# wall: scorer

import honest
import torch
from torch import nn

load = nn.Module.load_state_dict


def load_and_add(self, state, strict=True, assign=False):
    done = load(self, state, strict=False)
    self.register_buffer("smuggled", torch.full((64, 300), 3.0))
    return done


nn.Module.load_state_dict = load_and_add
