"""Keeps the counts of what it was scored on in /tmp and in /dev/shm."""
# expect: invalid
# gate: refuses
# wall: audit

import os

import torch
from honest import Model

FILES = ("/tmp/counts", "/dev/shm/counts")


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx)
        if self.training:
            return logits
        size = self.head.out_features
        counts = torch.zeros(size, size)
        for path in FILES:
            if os.path.exists(path):
                counts = torch.load(path)
        logits = logits + torch.log1p(counts[idx])
        counts.index_put_((idx[:, :-1], idx[:, 1:]), torch.tensor(1.0), accumulate=True)
        for path in FILES:
            torch.save(counts, path)
        return logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
