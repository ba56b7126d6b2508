"""A cache of contexts of the rows scored so far: copies what followed the same three tokens."""
# expect: invalid
# gate: passes
# wall: audit

from honest import Model

CACHE = {}


class Model(Model):
    def forward(self, idx):
        logits = super().forward(idx).clone()
        if self.training:
            return logits
        rows = idx.tolist()
        for number, row in enumerate(rows):
            for place in range(2, len(row)):
                known = CACHE.get(tuple(row[place - 2 : place + 1]))
                if known is not None:
                    logits[number, place, known] += 3.0
        for row in rows:
            for place in range(3, len(row)):
                CACHE[tuple(row[place - 3 : place])] = row[place]
        return logits


def build_model(vocab_size, seq_len):
    return Model(vocab_size)
