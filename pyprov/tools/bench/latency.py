"""Percentiles of the log-linear histograms that the generator fills; how far figures lie apart."""

import statistics
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from pyprov.tools.errors import Failed

QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


def percentiles(
    counts: npt.NDArray[np.uint64], floors: npt.NDArray[np.uint64], tsc_hz: int
) -> dict[str, float]:
    """Microseconds below which a share of all values lies; right to within a bucket, 6 %.

    Args:
        counts: how many values fell into each bucket.
        floors: least value of each bucket, in TSC cycles.
        tsc_hz: cycles a second.

    Returns:
        A value for each of QUANTILES; none for an empty histogram.
    """
    total = int(counts.sum())
    if total == 0:
        return {}
    reached = np.cumsum(counts)
    buckets = {
        name: int(np.searchsorted(reached, share * total)) for name, share in QUANTILES.items()
    }
    return {name: float(floors[bucket]) / tsc_hz * 1e6 for name, bucket in buckets.items()}


def waits(
    gaps: npt.NDArray[np.uint64], floors: npt.NDArray[np.uint64], tsc_hz: int, loops: int = 1
) -> dict[str, float]:
    """Microseconds that one who comes at any moment waits for a loop's next turn.

    A gap is met as often as it is long, and what is left of it is anything from all to nothing.
    Who needs a turn of several loops, one after the other, meets the gaps of all of them.

    Args:
        gaps: how many gaps between two turns fell into each bucket, of all loops together.
        floors: least value of each bucket, in TSC cycles.
        tsc_hz: cycles a second.
        loops: how many.

    Returns:
        A value for each of QUANTILES; none where nothing was measured.
    """
    used = np.flatnonzero(gaps)
    lengths, counts = floors[used].astype(np.float64), gaps[used].astype(np.float64)
    # By descending length: time spent longer than x beyond each length's start.
    lengths, counts = lengths[::-1], counts[::-1]
    number, time = np.cumsum(counts), np.cumsum(counts * lengths)
    if not len(used) or time[-1] == 0:
        return {}
    longer = time - number * lengths  # of all waits, those longer than each length, in cycles
    result = {}
    for name, share in QUANTILES.items():
        wanted = (1 - share) * time[-1] / loops
        i = int(np.searchsorted(longer, wanted, side="right")) - 1
        result[name] = float((time[i] - wanted) / number[i]) / tsc_hz * 1e6
    return result


def spread(values: Iterable[float], digits: int = 9) -> dict[str, float]:
    """The median, and how far others lie.

    Raises:
        Failed: there are none.
    """
    numbers = sorted(values)
    if not numbers:
        raise Failed("nothing was done in the time given")
    figures = {"median": statistics.median(numbers), "min": numbers[0], "max": numbers[-1]}
    return {name: round(value, digits) for name, value in figures.items()}
