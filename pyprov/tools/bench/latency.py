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
