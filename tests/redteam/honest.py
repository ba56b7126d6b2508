"""The honest twin: a bigram model that trains in a second. The runner puts it in front of every
candidate, in place of its line `from honest import ...`.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self, vocab_size, width=32):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.head = nn.Linear(width, vocab_size)

    def forward(self, idx):
        return self.head(self.embedding(idx))


def build_model(vocab_size, seq_len):
    return Model(vocab_size)


def fit(model, batches, report=lambda step, loss: None):
    """Train on batches of (x, y) until they end."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    for step, (x, y) in enumerate(batches):
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        report(step, loss)


def train(model, run):
    fit(model, run.batches(8), run.report)
