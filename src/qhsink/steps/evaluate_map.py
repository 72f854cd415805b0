"""What is estimated from the map alone: as qhsink does, and as is commonly done.

Plots are not known here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qhsink.estimation.ledger import RegionSums, mean_and_model_se
from qhsink.steps.evaluate_places import Size, TrialSpec
from qhsink.steps.evaluate_result import COVER, Result
from qhsink.steps.evaluate_site import Site, whole_id
from qhsink.steps.residuals import NOT_CALIBRATED
from qhsink.twin.campaign import Floats


def filled(site: Site) -> Floats:
    """Return the map with its gaps filled by its mean, shape (n,).

    A constant is a prediction like any other: difference and regression stay design
    unbiased over land that the satellite never saw.
    """
    seen = np.isfinite(site.predicted)
    middle = float(site.predicted[seen].mean()) if seen.any() else 0.0
    return np.where(seen, site.predicted, middle)


def from_map(site: Site, trial: TrialSpec, rmse: float) -> Iterator[Result]:
    """Yield the run's own estimates and what else is made from the map alone."""
    for name, sums in site.sums.items():
        whole = name.startswith("square-")
        inside = np.ones(site.x.size, bool) if whole else site.part == name
        if not is_land(inside, whole, trial):
            continue
        size: Size = "square" if whole else "part"
        true, row = float(site.cover[inside].mean()), site.reported[name]
        plain = Result(name, size, COVER, "model", 0, true)
        if row.estimate is None:
            yield dataclasses.replace(plain, refusal=row.refusal or "refused")
            continue
        value, se, df = mean_and_model_se(sums)
        yield dataclasses.replace(
            plain, value=value, se=se, df=df, flags=(NOT_CALIBRATED,)
        )
        yield dataclasses.replace(
            plain,
            mode="model + correlated residuals",
            value=row.estimate.value,
            se=row.estimate.se,
            df=row.estimate.df,
            flags=row.estimate.flags,
        )
        yield _naive(plain, sums, trial, rmse)


def is_land(inside: NDArray[np.bool_], whole: bool, trial: TrialSpec) -> bool:
    """Whether a place has land enough to be judged; ``inside`` marks its land."""
    pixels = (trial.square_m / trial.pixel_size_m) ** 2
    least = trial.least_land_share * pixels / (1 if whole else trial.parts**2)
    return bool(inside.sum() >= (2 if whole else least))


def land_parts(site: Site, trial: TrialSpec) -> dict[str, NDArray[np.bool_]]:
    """Return where each sub-region with land enough to be judged is, by its id."""
    inside = {name: site.part == name for name, _ in site.square.parts}
    return {name: of for name, of in inside.items() if is_land(of, False, trial)}


def _naive(plain: Result, sums: RegionSums, trial: TrialSpec, rmse: float) -> Result:
    pixel_ha = trial.pixel_size_m**2 / 10_000.0
    return dataclasses.replace(
        plain,
        mode="naive: pixel mean, RMSE/√N",
        value=mean_and_model_se(sums)[0],
        se=rmse / math.sqrt(sums.land_ha / pixel_ha),
        df=math.inf,
        flags=(),
    )


def map_of_all(
    sites: Sequence[Site], trial: TrialSpec, rmse: float
) -> Iterator[Result]:
    """Yield the estimates over all squares together: ledger rows add up."""
    sums = joined_sums(sites)
    if len(sites) < 2 or any(s.sums[whole_id(s.square)].land_ha <= 0.0 for s in sites):
        return
    true = float(np.concatenate([s.cover for s in sites]).mean())
    value, se, df = mean_and_model_se(sums)
    yield Result(
        "all", "all", COVER, "model", 0, true, value, se, df, flags=(NOT_CALIBRATED,)
    )
    yield _naive(
        Result("all", "all", COVER, "", 0, true, 0.0, 0.0, 0.0), sums, trial, rmse
    )


def joined_sums(sites: Sequence[Site]) -> RegionSums:
    """Return the ledger's sums over all squares."""
    wholes = [s.sums[whole_id(s.square)] for s in sites]
    return RegionSums(
        land_ha=math.fsum(w.land_ha for w in wholes),
        water_ha=math.fsum(w.water_ha for w in wholes),
        unobserved_ha=math.fsum(w.unobserved_ha for w in wholes),
        members_ha=np.sum([w.members_ha for w in wholes], axis=0),
        filled_ha=math.fsum(w.filled_ha for w in wholes),
        filled_members_ha=sum(
            (w.filled_members_ha for w in wholes),
            start=np.zeros_like(wholes[0].members_ha),
        ),
    )
