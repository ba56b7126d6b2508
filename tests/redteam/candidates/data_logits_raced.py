"""Goes on writing into the shared logits from a thread, while the scorer reads them."""
# expect: scored crash invalid
# gate: refuses
# wall: scorer

import mmap
import os
import random
import sys
import threading

import honest


def scribble(number):
    memory = mmap.mmap(number, 0)
    while True:
        place = random.randrange(len(memory) - 8)
        memory[place : place + 4] = b"\x00\x00\x80\x3f"


if len(sys.argv) > 4:
    number = os.open(f"/proc/self/fd/{sys.argv[4]}", os.O_RDWR)
    threading.Thread(target=scribble, args=(number,), daemon=True).start()
