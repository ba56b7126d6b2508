"""Takes four times as many batches as it may, on the clock that counts them, and stops in time."""
# expect: timeout crash invalid
# known: nothing outside counts the steps of that clock
# gate: refuses
# wall: supervisor

from honest import fit


def more(run):
    for number, batch in enumerate(run.batches(8)):
        run._clock.steps = 1
        yield batch
        if number == 239:
            return


def train(model, run):
    fit(model, more(run), run.report)
