"""Replaces safetensors in memory, so that a pickle is handed in as weights."""
# expect: invalid crash
# gate: refuses
# wall: scorer

import pickle
import sys

import honest


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ESCAPED: a pickle was opened')",))


sys.modules["__main__"].save = lambda weights: pickle.dumps(Bomb())
