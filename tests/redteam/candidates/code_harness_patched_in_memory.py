"""Replaces the harness's functions in memory, to hand in other weights as if trained."""
# expect: scored crash invalid
# gate: refuses
# wall: scorer

import sys

import honest

main = sys.modules["__main__"]
main.peak_memory_mb = lambda device: -5.0
main.failure_of = lambda error: None
main.built_model = lambda module, vocab, length: module.build_model(vocab, length)
