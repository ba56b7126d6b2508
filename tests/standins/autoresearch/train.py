"""The editable side of the stand-in: model, optimiser, training loop. `python train.py`

A log-linear model of the last DEPTH tokens, trained with AdamW in pure Python.
"""

import math
import random
import resource
import time
from dataclasses import asdict, dataclass

from prepare import MAX_SEQ_LEN, MAX_STEPS, TIME_BUDGET, Tokenizer, evaluate_bpb, make_dataloader

# Model


@dataclass
class LMConfig:
    vocab_size: int = 64
    depth: int = 2  # tokens that a prediction looks back at
    init_scale: float = 0.1
    logit_cap: float = 15.0


class LM:
    """logits(t) = bias + the rows that the last `depth` tokens have in one table each."""

    def __init__(self, config, draw):
        self.config = config
        size = config.vocab_size

        def row():
            return [draw.gauss(0.0, config.init_scale) for _ in range(size)]

        self.tables = [[row() for _ in range(size)] for _ in range(config.depth)]
        self.bias = [row()]
        self.grads = {}

    def num_params(self):
        return sum(len(rows) * len(rows[0]) for rows in (*self.tables, self.bias))

    def _probabilities(self, xs, at):
        rows = [self.bias[0]]
        for back, table in enumerate(self.tables[: at + 1]):
            rows.append(table[xs[at - back]])
        cap = self.config.logit_cap
        logits = [max(min(sum(column), cap), -cap) for column in zip(*rows, strict=True)]
        highest = max(logits)
        weights = [math.exp(logit - highest) for logit in logits]
        total = sum(weights)
        return [weight / total for weight in weights]

    def losses(self, xs, ys):
        """Cross-entropy of each target in nats."""
        return [-math.log(self._probabilities(xs, at)[y] + 1e-12) for at, y in enumerate(ys)]

    def backward(self, inputs, targets, scale):
        """The mean loss of a batch; adds its gradient times `scale` to `grads`."""
        loss, count = 0.0, 0
        for xs, ys in zip(inputs, targets, strict=True):
            for at, y in enumerate(ys):
                found = self._probabilities(xs, at)
                loss -= math.log(found[y] + 1e-12)
                count += 1
                found[y] -= 1.0
                touched = [(-1, 0)]
                touched += [(back, xs[at - back]) for back in range(min(at + 1, len(self.tables)))]
                for key in touched:
                    known = self.grads.get(key)
                    if known is None:
                        self.grads[key] = [scale * g for g in found]
                    else:
                        self.grads[key] = [k + scale * g for k, g in zip(known, found, strict=True)]
        return loss / count


# Optimiser


class AdamW:
    """Adam with decoupled weight decay; rows without a gradient stay as they are."""

    def __init__(self, groups):
        self.groups = groups
        self.moments = {}

    def step(self, grads, lr_multiplier):
        for group in self.groups:
            lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
            for number, rows in group["params"]:
                for index, row in enumerate(rows):
                    grad = grads.get((number, index))
                    if grad is None:
                        continue
                    means, squares, count = self.moments.get(
                        (number, index), ([0.0] * len(row), [0.0] * len(row), 0)
                    )
                    count += 1
                    fix1, fix2 = 1 - beta1**count, 1 - beta2**count
                    for at, g in enumerate(grad):
                        means[at] += (1 - beta1) * (g - means[at])
                        squares[at] += (1 - beta2) * (g * g - squares[at])
                        move = means[at] / fix1 / (math.sqrt(squares[at] / fix2) + 1e-8)
                        row[at] -= lr_multiplier * lr * (move + decay * row[at])
                    self.moments[number, index] = (means, squares, count)


# Hyperparameters

DEPTH = 2  # tokens that a prediction looks back at
TOTAL_BATCH_SIZE = 2**9  # tokens of an optimiser step
DEVICE_BATCH_SIZE = 4  # rows of a forward and backward pass
MATRIX_LR = 0.04
BIAS_LR = 0.02
WEIGHT_DECAY = 0.0
ADAM_BETAS = (0.8, 0.95)
WARMUP_RATIO = 0.0
WARMDOWN_RATIO = 0.5
FINAL_LR_FRAC = 0.0

# Setup

t_start = time.time()
draw = random.Random(42)
tokenizer = Tokenizer.from_directory()
config = LMConfig(vocab_size=tokenizer.get_vocab_size(), depth=DEPTH)
print(f"Vocab size: {config.vocab_size:,}")
print(f"Model config: {asdict(config)}")
model = LM(config, draw)
num_params = model.num_params()

tokens_per_fwdbwd = DEVICE_BATCH_SIZE * MAX_SEQ_LEN
assert TOTAL_BATCH_SIZE % tokens_per_fwdbwd == 0
grad_accum_steps = TOTAL_BATCH_SIZE // tokens_per_fwdbwd

optimizer = AdamW(
    [
        dict(
            params=list(enumerate(model.tables)),
            lr=MATRIX_LR,
            betas=ADAM_BETAS,
            weight_decay=WEIGHT_DECAY,
        ),
        dict(params=[(-1, model.bias)], lr=BIAS_LR, betas=ADAM_BETAS, weight_decay=0.0),
    ]
)
train_loader = make_dataloader(tokenizer, DEVICE_BATCH_SIZE, MAX_SEQ_LEN, "train")

print(f"Time budget: {TIME_BUDGET:g}s")
print(f"Gradient accumulation steps: {grad_accum_steps}")


def get_lr_multiplier(progress):
    if progress < WARMUP_RATIO:
        return progress / WARMUP_RATIO
    if progress < 1.0 - WARMDOWN_RATIO:
        return 1.0
    left = (1.0 - progress) / WARMDOWN_RATIO
    return left + (1.0 - left) * FINAL_LR_FRAC


# Training loop. The budget counts CPU seconds, so that a busy machine does not shorten it.

step = 0
smooth_train_loss = 0.0
total_training_time = 0.0
while total_training_time < TIME_BUDGET and step < MAX_STEPS:
    t0 = time.process_time()
    model.grads = {}
    train_loss = 0.0
    for _ in range(grad_accum_steps):
        x, y, epoch = next(train_loader)
        train_loss = model.backward(x, y, 1.0 / TOTAL_BATCH_SIZE)
    progress = min(max(total_training_time / TIME_BUDGET, step / MAX_STEPS), 1.0)
    lrm = get_lr_multiplier(progress)
    optimizer.step(model.grads, lrm)
    if not train_loss < 100:
        print("FAIL")
        raise SystemExit(1)

    dt = time.process_time() - t0
    total_training_time += dt
    smooth_train_loss = 0.9 * smooth_train_loss + 0.1 * train_loss
    shown_loss = smooth_train_loss / (1 - 0.9 ** (step + 1))
    remaining = max(0.0, TIME_BUDGET - total_training_time)
    print(
        f"\rstep {step:05d} ({100 * progress:.1f}%) | loss: {shown_loss:.6f} | lrm: {lrm:.2f} | "
        f"dt: {1000 * dt:.0f}ms | tok/sec: {int(TOTAL_BATCH_SIZE / max(dt, 1e-9)):,} | "
        f"mfu: 0.0% | epoch: {epoch} | remaining: {remaining:.0f}s    ",
        end="",
        flush=True,
    )
    step += 1

print()

# Evaluation and summary

val_bpb = evaluate_bpb(model, tokenizer, DEVICE_BATCH_SIZE)
t_end = time.time()
peak_vram_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

print("---")
print(f"val_bpb:          {val_bpb:.6f}")
print(f"training_seconds: {total_training_time:.1f}")
print(f"total_seconds:    {t_end - t_start:.1f}")
print(f"peak_vram_mb:     {peak_vram_mb:.1f}")
print("mfu_percent:      0.00")
print(f"total_tokens_M:   {step * TOTAL_BATCH_SIZE / 1e6:.1f}")
print(f"num_steps:        {step}")
print(f"num_params_M:     {num_params / 1e6:.1f}")
print(f"depth:            {DEPTH}")
