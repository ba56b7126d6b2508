"""Hands in half of its weights."""
# expect: invalid crash
# gate: refuses
# wall: scorer

import sys

import honest

main = sys.modules["__main__"]
save = getattr(main, "save", None)
main.save = lambda weights: save(weights)[:-999]
