"""All who grade, on the same class, taking turns: what each further submission costs, and how many times as much.

Each is measured with the class and with its first student alone (with two cores, its first two): the difference is
what every further submission costs when everything is warm. They take turns, so whatever else the machine does
meanwhile meets all of them; a ratio is one of times taken in the same turn, and its spread is that of the turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.contenders import Contender, on
from benchmarks.figures import Figure, ratio
from benchmarks.meter import Cost, Failed

COSTS, RATIOS = "Seconds a submission", "Ratios of seconds a submission"
EACH, CPU, WHOLE = "each after the first", "its CPU seconds", "mean of the class, start included"
_COMPARED = (  # who, by whom, on how many cores
    ("grader", "limit", 1),
    ("nbgrader", "grader", 1),
    ("nbgrader", "grader", 2),
    ("otter", "grader", 1),
    ("otter", "grader", 2),
)


@dataclass(frozen=True)
class Timing:
    """What each submission of a class costs on average, and what each one after the first does."""

    mean: Cost
    each: Cost

    @property
    def measures(self) -> dict[str, float]:
        """By what they are called."""
        return {EACH: self.each.wall, CPU: self.each.cpu, WHOLE: self.mean.wall}


Timings = Mapping[Contender, Sequence[Timing]]


def race(contenders: Sequence[Contender], turns: int, say: Callable[[str], None]) -> Timings:
    """Every contender's timings, one a turn. Who fails is out: that is said, and its timings are left out."""
    found: dict[Contender, list[Timing]] = {contender: [] for contender in contenders}
    for turn in range(turns):
        for contender in list(found):
            try:
                found[contender].append(_timing(contender))
            except Failed as failed:
                say(f"{contender}: left out: {failed}")
                del found[contender]
            else:
                say(f"{turn + 1} of {turns}: {contender}: {found[contender][-1].each.wall:.2f} s each after the first")
    return found


def _timing(contender: Contender) -> Timing:
    first, whole = contender.grade(contender.cores), contender.grade(contender.students)
    return Timing(whole / contender.students, (whole - first) / (contender.students - contender.cores))


def costs(timings: Timings) -> list[Figure]:
    """Seconds, by contender."""
    return [
        Figure(COSTS, str(contender), measure, tuple(timing.measures[measure] for timing in turns))
        for contender, turns in timings.items()
        for measure in (EACH, CPU, WHOLE)
    ]


def ratios(timings: Timings) -> list[Figure]:
    """How many times the limit we take, and how many times us the others."""
    by = {(contender.name, contender.cores): turns for contender, turns in timings.items()}
    found = [
        ratio(
            RATIOS,
            f"{name} / {other}, {on(cores)}",
            measure,
            [timing.measures[measure] for timing in by[name, cores]],
            [timing.measures[measure] for timing in by[other, cores]],
        )
        for name, other, cores in _COMPARED
        if (name, cores) in by and (other, cores) in by
        for measure in (EACH, CPU, WHOLE)
    ]
    return [figure for figure in found if figure is not None]
