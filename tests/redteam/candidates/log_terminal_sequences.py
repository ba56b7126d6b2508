"""Writes sequences that clear a terminal, set its title, and fill the clipboard (OSC 52)."""
# expect: crash
# gate: passes
# wall: messages

import honest

SEQUENCES = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;cm0gLXJmIH4K\x07\x9b31m\r\x08\u202e\ud83d"


def train(model, run):
    print(SEQUENCES.encode("utf-8", "replace").decode("latin-1"))
    raise ValueError(SEQUENCES)
