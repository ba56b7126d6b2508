"""Trains on each row that it is shown before it predicts it."""
# expect: invalid
# gate: passes
# wall: audit

import torch
import torch.nn.functional as F
from honest import Model


class Model(Model):
    def forward(self, idx):
        if not self.training:
            with torch.inference_mode(False), torch.enable_grad():
                own = idx.clone()
                if not self.embedding.weight.requires_grad:
                    self.requires_grad_(True)
                optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
                for _ in range(5):
                    logits = super().forward(own[:, :-1])
                    F.cross_entropy(logits.flatten(0, 1), own[:, 1:].flatten()).backward()
                    optimizer.step()
                    optimizer.zero_grad()
        return super().forward(idx)


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
