"""Rules by which an interval is not to be trusted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IntervalRules:
    """What a sample must show for its interval to count: ``config/intervals.toml``."""

    least_nonzero: int
    """Units that are not zero, for a t or normal interval of values mostly zero."""
    least_clusters: int
    """Clusters, for the interval of a mean over few clusters such as tracks."""
    least_map_error_clusters: int
    """Clusters, where what is averaged over them is the error of a map."""
    largest_g: float
    """Calibrated over design weight of a unit, for a regression estimate."""
    most_grade_error: float
    """Standard error over the reference's standard deviation, for a sink grade."""
    status: str
    """Standing of the numbers: ``proposal`` until others have judged them."""
