"""The policy's network: a small transformer that reads sites and experiments, and samples an edit.

One token per site, one per remembered experiment, one for the study as a whole. There are no
positions: sites may come in any number and order. An edit is sampled move by move (a site and a
step at once, which is a pointer times a size given the site); after the first move, stopping is one
more choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.models.roberta_prelayernorm import (
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormModel,
)

from policy.board import MOVES
from policy.features import (
    BIN_FEATURES,
    RECORD_FEATURES,
    SITE_FEATURES,
    STEP_BUCKETS,
    STUDY_FEATURES,
    Observation,
)
from policy.moves import BINS, STEPS

TRUTH_FEATURES = 4  # what only a simulator knows, for the critic
_STUDY, _SITE, _RECORD = 0, 1, 2
_STOP_AT_FIRST = (0.0, -1.5, 0.5)  # logits of stopping after 0, 1, 2 moves, untrained


@dataclass(frozen=True)
class Shape:
    """The network's size."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    inner: int = 192
    scorer: int = 32
    pair: int = 16


class Encoded(NamedTuple):
    """The transformer's output, and what of a move's score does not depend on earlier moves."""

    study: Tensor  # [B, D]
    sites: Tensor  # [B, S, D]
    scores: Tensor  # [B, S, BINS] of a first move
    keys: Tensor  # [B, S, BINS, P] how a move goes with those before it
    valid: Tensor  # [B, S, BINS]


class Action(NamedTuple):
    """An edit of each study: up to MOVES moves, each a site times BINS plus a bin; -1 for none."""

    moves: Tensor  # [B, MOVES]

    @property
    def sites(self) -> Tensor:
        """Site indices [B, MOVES], -1 for none."""
        return torch.where(self.moves >= 0, self.moves // BINS, -1)

    @property
    def bins(self) -> Tensor:
        """Step indices [B, MOVES]."""
        return self.moves.clamp(min=0) % BINS


class Scores(NamedTuple):
    """The log-probability [B] of each study's action, and the entropy [B] of its choices."""

    log_prob: Tensor
    entropy: Tensor


class EditNetwork(nn.Module):
    """Policy and critic on one transformer."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        d, h = shape.width, shape.scorer
        self.transformer = RobertaPreLayerNormModel(
            RobertaPreLayerNormConfig(
                vocab_size=2,
                pad_token_id=0,
                bos_token_id=0,
                eos_token_id=1,
                hidden_size=d,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=shape.inner,
                hidden_act="relu",
                max_position_embeddings=2,
                type_vocab_size=3,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
            add_pooling_layer=False,
        )
        self.read_site = nn.Linear(SITE_FEATURES, d)
        self.read_record = nn.Linear(RECORD_FEATURES, d)
        self.read_study = nn.Linear(STUDY_FEATURES, d)
        self.read_step = nn.Embedding(STEP_BUCKETS, d)
        self.chosen_step = nn.Embedding(BINS, d)
        self.score_site = nn.Linear(d, h)
        self.score_bin = nn.Linear(BIN_FEATURES, h)
        self.score = nn.Linear(h, 1)
        self.key = nn.Linear(h, shape.pair)
        self.query = nn.Linear(d, shape.pair)
        self.stop = nn.Sequential(nn.Linear(d, 32), nn.ReLU(), nn.Linear(32, 1))
        self.stop_bias = nn.Parameter(torch.tensor(_STOP_AT_FIRST))
        # The start of learning: prefer what has brought most or is least known, avoid what
        # failed, take short steps. Weights of the first five bin features.
        self.prior = nn.Parameter(torch.tensor([7.5, 2.5, -0.75, -10.0, -5.0]))
        self.prior_step = nn.Parameter(torch.tensor([-4.0 if abs(n) > 2 else -0.5 for n in STEPS]))
        self.critic = nn.Sequential(
            nn.Linear(2 * d + TRUTH_FEATURES, d), nn.ReLU(), nn.Linear(d, 1)
        )
        # Small outputs at first: the prior is to decide until something is learnt.
        for layer in (self.score, self.query, self.stop[2], self.critic[2]):
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.bias)
            nn.init.normal_(layer.weight, std=0.01)

    def encode(self, seen: Observation) -> Encoded:
        """Read the observation of B studies."""
        b, s = seen.present.shape
        sites = self.read_site(seen.sites)
        width = sites.shape[-1]
        at = seen.record_sites.clamp(min=0).flatten(1)
        edited = sites.gather(1, at[..., None].expand(-1, -1, width))
        edited = edited.view(b, -1, MOVES, width) + self.read_step(seen.record_steps)
        edited = (edited * (seen.record_sites >= 0)[..., None]).sum(2)
        records = self.read_record(seen.records) + edited
        tokens = torch.cat((self.read_study(seen.study)[:, None], sites, records), 1)
        mask = torch.cat((seen.present.new_ones(b, 1), seen.present, seen.recorded), 1)
        kinds = [_STUDY] + [_SITE] * s + [_RECORD] * records.shape[1]
        kind = torch.tensor(kinds, device=sites.device).expand(b, -1)
        read = self.transformer(
            inputs_embeds=tokens,
            attention_mask=mask.float(),
            token_type_ids=kind,
            position_ids=torch.zeros_like(kind),
        ).last_hidden_state
        site = read[:, 1 : 1 + s]
        hidden = (self.score_site(site)[:, :, None] + self.score_bin(seen.bins)).relu()
        ordered = 1 - seen.bins[..., -1]
        prior = seen.bins[..., : len(self.prior)] @ self.prior + self.prior_step * ordered
        scores = self.score(hidden)[..., 0] + prior
        return Encoded(read[:, 0], site, scores, self.key(hidden), seen.valid)

    def sample(self, encoded: Encoded, generator: torch.Generator | None = None) -> Action:
        """An edit of each study. With a generator the draw depends on it alone."""
        context, blocked = encoded.study, torch.zeros_like(encoded.valid[..., 0])
        chosen: list[Tensor] = []
        going = torch.ones_like(blocked[:, 0])
        for number in range(MOVES):
            logits = self._logits(encoded, context, blocked, number)
            draw = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
            going = going & (draw < logits.shape[1] - 1)
            move = torch.where(going, draw, -1)
            chosen.append(move)
            context, blocked = self._follow(encoded, context, blocked, move)
        return Action(torch.stack(chosen, 1))

    def evaluate(self, encoded: Encoded, action: Action) -> Scores:
        """The log-probability and entropy of edits that were sampled before."""
        context, blocked = encoded.study, torch.zeros_like(encoded.valid[..., 0])
        log_prob = encoded.study.new_zeros(len(context))
        entropy = torch.zeros_like(log_prob)
        going = torch.ones_like(blocked[:, 0])
        for number in range(MOVES):
            logits = self._logits(encoded, context, blocked, number)
            log = logits.log_softmax(-1)
            move = action.moves[:, number]
            taken = torch.where(move >= 0, move, logits.shape[1] - 1)
            part = log.gather(1, taken[:, None])[:, 0]
            log_prob = log_prob + torch.where(going, part, 0.0)
            spread = -(log.exp() * log.clamp(min=-1e4)).sum(-1)
            entropy = entropy + torch.where(going, spread, 0.0)
            going = going & (move >= 0)
            context, blocked = self._follow(encoded, context, blocked, move)
        return Scores(log_prob, entropy)

    def first_sites(self, encoded: Encoded) -> Tensor:
        """The probability [B, S] that an edit begins at each site."""
        blocked = torch.zeros_like(encoded.valid[..., 0])
        logits = self._logits(encoded, encoded.study, blocked, 0)
        chances: Tensor = logits.softmax(-1)[:, :-1].view(*blocked.shape, BINS).sum(-1)
        return chances

    def value(self, encoded: Encoded, truth: Tensor | None = None) -> Tensor:
        """The critic's expectation [B]; `truth` [B, TRUTH_FEATURES] is what a simulator knows."""
        if truth is None:
            truth = encoded.study.new_zeros(len(encoded.study), TRUTH_FEATURES)
        present = encoded.valid.any(-1, keepdim=True).float()
        mean = (encoded.sites * present).sum(1) / present.sum(1).clamp(min=1)
        value: Tensor = self.critic(torch.cat((encoded.study, mean, truth), -1))
        return value[:, 0]

    def _logits(self, encoded: Encoded, context: Tensor, blocked: Tensor, number: int) -> Tensor:
        """Scores [B, S * BINS + 1] of every move and of stopping; impossible ones at -1e9."""
        query = self.query(context)[:, None, :, None]
        scores = encoded.scores + (encoded.keys @ query)[..., 0]
        open_ = encoded.valid & ~blocked[..., None]
        scores = scores.masked_fill(~open_, -1e9).flatten(1)
        stop = self.stop(context) + self.stop_bias[number]
        if number == 0:  # no empty edit, unless there is nothing to change
            stop = stop.masked_fill(open_.flatten(1).any(1, keepdim=True), -1e9)
        return torch.cat((scores, stop), 1)

    def _follow(
        self, encoded: Encoded, context: Tensor, blocked: Tensor, move: Tensor
    ) -> tuple[Tensor, Tensor]:
        made = move >= 0
        site, step = move.clamp(min=0) // BINS, move.clamp(min=0) % BINS
        rows = torch.arange(len(move), device=move.device)
        added = encoded.sites[rows, site] + self.chosen_step(step)
        context = torch.where(made[:, None], context + added, context)
        blocked = blocked.clone()
        blocked[rows, site] |= made
        return context, blocked
