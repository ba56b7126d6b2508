"""One simulated study as a script: any policy can be tried on it by asks and tells alone."""

from __future__ import annotations

import math

import torch

from policy.board import STATUSES
from policy.contract import Outcome
from policy.families import FAMILIES as _FAMILIES
from policy.knobs import ENTRY_POINTS
from policy.moves import position, view
from policy.simulator import Studies
from policy.stock import stock
from policy.tensors import keyed_generator
from target.sites import Site, find_sites
from target.source import SourceError

FAMILIES = tuple(_FAMILIES)

_BASELINE = 1.0  # val-bpb of the script as given
_SIGMA = 0.0005  # val-bpb in one standard deviation of the noise
_SIZES = range(8, 21)  # sites of a script


class SimulatedStudy:
    """A made-up script, and what training its candidates would bring."""

    def __init__(self, seed: int, family: str) -> None:
        """`family` is one of FAMILIES."""
        self._seed = seed
        generator = torch.Generator().manual_seed(seed)
        size = _SIZES[int(torch.randint(len(_SIZES), (), generator=generator))]
        self._studies = Studies([_FAMILIES[family]], size, generator)
        self.source = self._render()
        self._sites: dict[str, tuple[int, Site]] = {}
        self._study_what_is_written()
        self.baseline = _BASELINE
        self.sigma = _SIGMA
        self.best = _BASELINE + _SIGMA * float(self._studies.best[0])
        self._heavy = bool(self._studies.heavy[0])

    def truth(self, source: str) -> float | None:
        """The noiseless score of a candidate; None when it fails."""
        result = self._studies.evaluate(self._positions(source))
        if int(result.failure[0]) >= 0:
            return None
        return _BASELINE + _SIGMA * float(result.score[0])

    def run(self, source: str, repetition: int = 0) -> Outcome:
        """How training a candidate ends. The same repetition meets the same luck."""
        try:
            place = self._positions(source)
        except SourceError:
            return Outcome(status="invalid")
        result = self._studies.evaluate(place)
        failure = int(result.failure[0])
        if failure >= 0:
            return Outcome(status=STATUSES[failure])
        generator = keyed_generator(self._seed, repetition, source)
        noise = float(torch.randn((), generator=generator))
        if self._heavy:  # Student's t with 4 degrees of freedom, of unit standard deviation
            square = float(torch.randn(4, generator=generator).square().mean())
            noise /= math.sqrt(2 * square)
        score = _BASELINE + _SIGMA * (float(result.score[0]) + noise)
        return Outcome(status="discard", val_bpb=score, seconds=300.0)

    def _render(self) -> str:
        """The script. A name that was dealt to the wrong site stands at that site."""
        knobs = [stock().knobs[i] for i in self._studies.knobs[0].tolist()]
        named = [knobs[i] for i in self._studies.dealt[0].tolist()]
        lines, used = [], set()
        for row, (knob, other) in enumerate(zip(knobs, named, strict=True)):
            if not bool(self._studies.table.present[0, row]):
                continue
            name = other.site.name if other.named else f"X{row + 1}"
            while name in used:
                name += "_2"
            used.add(name)
            lines.append(f"{name} = {knob.line.partition(' = ')[2]}\n")
        return "".join(lines) + ENTRY_POINTS

    def _study_what_is_written(self) -> None:
        """A name has a say in the lattice: the landscape stands on the script's own sites."""
        present = self._studies.table.present[0]
        rows = [row for row in range(len(present)) if bool(present[row])]
        for row, site in zip(rows, find_sites(self.source), strict=True):
            self._sites[site.id] = (row, site)
        self._studies.stand_on({row: view(site) for row, site in self._sites.values()})

    def _positions(self, source: str) -> torch.Tensor:
        place = self._studies.table.origin.clone()
        for site in find_sites(source):
            if site.id in self._sites:
                row, given = self._sites[site.id]
                place[0, row] = position(given, site.value)
        return place


def make_study(seed: int, family: str) -> SimulatedStudy:
    """The simulated study of a family with this seed."""
    return SimulatedStudy(seed, family)
