"""Percentiles of the log-linear histograms that the generator fills."""

from typing import Final

import numpy as np
import numpy.typing as npt

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
