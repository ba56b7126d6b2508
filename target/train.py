"""A small GPT, trained with Muon and AdamW: the script that the agent edits.

Everything in this file may change, except the names and arguments of `build_model` and `train`.
Clock, data, seeds and scoring belong to the environment. Run it alone with `python train.py`.
"""

import torch
import torch.nn.functional as F
from torch import nn

# Model
DEPTH = 1  # transformer blocks
WIDTH = 64  # size of the residual stream
HEAD_DIM = 32  # size of an attention head
MLP_RATIO = 2  # hidden size of the MLP, in widths
ROPE_BASE = 10000.0  # wavelength base of the rotary embeddings
LOGIT_CAP = 30.0  # logits are squashed smoothly into -cap..cap
EMBED_STD = 1.0  # spread of the token embeddings at the start

# Optimisation
BATCH_TOKENS = 2**10  # tokens in a step
MATRIX_LR = 0.02  # Muon: the matrices inside the blocks
EMBED_LR = 0.4  # AdamW: the token embeddings
HEAD_LR = 0.015  # AdamW: the output head
SCALAR_LR = 0.04  # AdamW: the residual weights
WEIGHT_DECAY = 0.0  # decay of the matrices, in units of their learning rate
MOMENTUM = 0.95  # Muon's momentum
NEWTON_SCHULZ_STEPS = 5  # iterations that orthogonalise an update
ADAM_BETA1 = 0.8  # AdamW: memory of the gradient
ADAM_BETA2 = 0.99  # AdamW: memory of its square

# Schedule, as shares of the budget
WARMUP = 0.0  # time to reach the full learning rate
WARMDOWN = 0.5  # time to come down from it
FINAL_LR = 0.0  # learning rate at the end, as a share of the full one

# A GPU does far more in the same time: there the model and the batch grow by these factors.
# They belong to the device, so they are not constants to search; every knob above is live on both.
ON_GPU = torch.cuda.is_available()
DEPTH_FACTOR, WIDTH_FACTOR, HEAD_FACTOR, BATCH_FACTOR = (8, 8, 4, 64) if ON_GPU else (1, 1, 1, 1)


def norm(x: torch.Tensor) -> torch.Tensor:
    """RMSNorm over the last axis, without parameters."""
    return F.rms_norm(x, (x.size(-1),))


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of x [B, H, T, D]; cos and sin are [T, D / 2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


class Attention(nn.Module):
    """Causal self-attention with rotary embeddings and normalised queries and keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head_dim = HEAD_DIM * HEAD_FACTOR
        self.heads = max(1, width // self.head_dim)
        inner = self.heads * self.head_dim
        self.query = nn.Linear(width, inner, bias=False)
        self.key = nn.Linear(width, inner, bias=False)
        self.value = nn.Linear(width, inner, bias=False)
        self.output = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        batch, time, _ = x.shape
        shape = (batch, time, self.heads, self.head_dim)
        q = self.query(x).view(shape).transpose(1, 2)
        k = self.key(x).view(shape).transpose(1, 2)
        v = self.value(x).view(shape).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        q, k = norm(q), norm(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(y.transpose(1, 2).reshape(batch, time, -1))


class MLP(nn.Module):
    """Two matrices with a squared ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, MLP_RATIO * width, bias=False)
        self.down = nn.Linear(MLP_RATIO * width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(F.relu(self.up(x)).square())


class Block(nn.Module):
    """Attention and MLP, each read from and added to the residual stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = Attention(width)
        self.mlp = MLP(width)
        self.residual = nn.Parameter(torch.tensor([1.0, 0.0]))  # weights of the stream, embedding

    def forward(
        self, x: torch.Tensor, x0: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> torch.Tensor:
        x = self.residual[0] * x + self.residual[1] * x0
        x = x + self.attention(norm(x), cos, sin)
        return x + self.mlp(norm(x))


class GPT(nn.Module):
    """forward(idx [B, T]) -> logits [B, T, V]."""

    def __init__(self, vocab_size: int, seq_len: int) -> None:
        super().__init__()
        width = WIDTH * WIDTH_FACTOR
        self.embed = nn.Embedding(vocab_size, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(DEPTH * DEPTH_FACTOR))
        self.head = nn.Linear(width, vocab_size, bias=False)
        head_dim = HEAD_DIM * HEAD_FACTOR
        frequencies = ROPE_BASE ** -(torch.arange(0, head_dim, 2).float() / head_dim)
        angles = torch.outer(torch.arange(seq_len).float(), frequencies)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        self.init_weights()

    def init_weights(self) -> None:
        """Outputs start at zero, so that every block starts as the identity."""
        nn.init.normal_(self.embed.weight, std=EMBED_STD)
        nn.init.zeros_(self.head.weight)
        for block in self.blocks:
            for layer in (block.attention.query, block.attention.key, block.attention.value):
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.normal_(block.mlp.up.weight, std=block.mlp.up.in_features**-0.5)
            nn.init.zeros_(block.attention.output.weight)
            nn.init.zeros_(block.mlp.down.weight)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        time = idx.size(1)
        # bfloat16 is for the GPU: the CPUs that this runs on are faster in float32.
        with torch.autocast("cuda", torch.bfloat16, enabled=idx.is_cuda):
            x = x0 = norm(self.embed(idx))
            cos, sin = self.cos[:time].to(x.dtype), self.sin[:time].to(x.dtype)
            for block in self.blocks:
                x = block(x, x0, cos, sin)
            # Dividing the small input by the cap is dividing the large output, but faster.
            logits = self.head(norm(x) / LOGIT_CAP)
        return LOGIT_CAP * torch.tanh(logits.float())


def orthogonalize(g: torch.Tensor) -> torch.Tensor:
    """The nearest matrices with singular values near 1, for a stack g [N, rows, columns].

    Newton-Schulz iteration with the quintic coefficients of Muon (Jordan et al., 2024).
    """
    tall = g.size(-2) > g.size(-1)
    x = g.mT if tall else g
    x = x.bfloat16() if g.is_cuda else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        a = x @ x.mT
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).to(g.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; matrices of one shape are updated together, as one stack."""

    def __init__(self, params: list[nn.Parameter], lr: float, orthogonalize=orthogonalize) -> None:
        self.orthogonalize = orthogonalize
        shapes = sorted({tuple(p.shape) for p in params})
        groups = [{"params": [p for p in params if tuple(p.shape) == s]} for s in shapes]
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = torch.stack([p.grad for p in params])
            state = self.state[params[0]]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(grads)
            momentum = state["momentum"].lerp_(grads, 1 - MOMENTUM)
            update = self.orthogonalize(grads.lerp(momentum, MOMENTUM))
            # Tall matrices change their outputs as much as square ones do.
            update *= max(1.0, grads.size(-2) / grads.size(-1)) ** 0.5
            torch._foreach_mul_(params, 1 - group["lr"] * WEIGHT_DECAY)
            torch._foreach_add_(params, list(update.unbind()), alpha=-group["lr"])


def build_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the matrices in the blocks, AdamW for everything else."""
    matrices = [p for p in model.blocks.parameters() if p.ndim == 2]
    scalars = [p for p in model.blocks.parameters() if p.ndim < 2]
    # Adam's best learning rate falls as the model grows wider.
    adam = (model.embed.weight.size(1) / 64) ** -0.5
    groups = [
        {"params": [model.embed.weight], "lr": EMBED_LR * adam},
        {"params": [model.head.weight], "lr": HEAD_LR * adam},
        {"params": scalars, "lr": SCALAR_LR},
    ]
    betas = (ADAM_BETA1, ADAM_BETA2)
    adamw = torch.optim.AdamW(groups, betas=betas, eps=1e-10, weight_decay=0.0, fused=True)
    stack = torch.compile(orthogonalize, dynamic=False) if ON_GPU else orthogonalize
    return [adamw, Muon(matrices, MATRIX_LR, stack)]


def lr_scale(progress: float) -> float:
    """Learning rate, as a share of the full one, at `progress` 0..1 of the budget."""
    if progress < WARMUP:
        return progress / WARMUP
    if progress > 1 - WARMDOWN:
        left = (1 - progress) / WARMDOWN
        return FINAL_LR + (1 - FINAL_LR) * left
    return 1.0


def build_model(vocab_size: int, seq_len: int) -> nn.Module:
    """The model, with its weights as they are before training."""
    return GPT(vocab_size, seq_len)


def train(model: nn.Module, run) -> None:
    """Train the model on `run.batches` until the budget is spent."""
    batch_size = max(1, BATCH_TOKENS * BATCH_FACTOR // run.seq_len)

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    optimizers = build_optimizers(model)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["full_lr"] = group["lr"]
    if run.device.type == "cuda":  # compile before the clock starts
        loss_of = torch.compile(loss_of, dynamic=False)
        loss_of(*run.dummy_batch(batch_size)).backward()
        with torch.no_grad():
            for group in optimizers[1].param_groups:
                optimizers[1].orthogonalize(torch.stack([p.grad for p in group["params"]]))
        model.zero_grad(set_to_none=True)

    recent: list[torch.Tensor] = []
    for step, (x, y) in enumerate(run.batches(batch_size)):
        loss = loss_of(x, y)
        recent.append(loss.detach())
        loss.backward()
        scale = lr_scale(run.progress)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["full_lr"] * scale
            optimizer.step()
        model.zero_grad(set_to_none=True)
        if step % 10 == 0:  # reading the loss waits for the device
            run.report(step, torch.stack(recent).mean())
            recent.clear()


if __name__ == "__main__":
    from env.standalone import main

    main(build_model, train)
