"""Families of simulated studies: what is drawn at random, and how wildly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """How a kind of simulated study is drawn; ranges are uniform, chances per study.

    `strength` is how far roles act as knobs.ROLES says; `wrong` the chance that names are dealt to
    the wrong sites; `nameless` that they say nothing.
    """

    name: str
    strength: tuple[float, float] = (0.5, 1.0)
    wrong: float = 0.0
    nameless: float = 0.0
    coupling: float = 0.3  # how many optima move with another site
    basins: float = 0.3  # the chance of a second basin
    power: tuple[float, float] = (1.7, 2.1)  # of phi near 0
    saturation: float = 0.0  # how much of phi levels off far away
    heavy: float = 0.5  # the chance of heavy-tailed noise
    failing: tuple[float, float] = (0.02, 0.16)  # naive proposals that each limit turns down


TRAINING = (
    Family("typical"),
    Family("weak-prior", strength=(0.0, 0.6)),
    Family("wrong-names", strength=(0.3, 1.0), wrong=1.0),
    Family("nameless", strength=(0.3, 1.0), nameless=1.0),
    Family("rugged", strength=(0.0, 1.0), coupling=1.0, basins=0.8, failing=(0.05, 0.22)),
    Family("mixed", strength=(0.0, 1.0), wrong=0.2, nameless=0.2, coupling=0.6, basins=0.5),
)
# Never trained on.
HELD_OUT = (
    Family("sharp", strength=(0.2, 1.0), coupling=0.5, power=(1.0, 1.3)),
    Family("plateaus", strength=(0.2, 1.0), coupling=0.5, saturation=0.8),
    Family("entangled", strength=(0.0, 0.5), coupling=2.0, basins=0.5, failing=(0.05, 0.2)),
)
FAMILIES = {family.name: family for family in TRAINING + HELD_OUT}
