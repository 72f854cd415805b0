"""The Sentinel-2 biophysical processor (ESA, version 3.0), for comparison alone.

Only the formula is here. The coefficients are GPL-3 auxiliary data: they are read from
beside the project and never shipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.simulated_cover import BANDS

Doubles = NDArray[np.float64]

ESA_BANDS = ("B3", "B4", "B8A", "B11", "B12")
"""Sentinel-2 bands that stand for ``BANDS``."""
RED_EDGE = ("B5", "B6", "B7")
"""Bands of the network that no Landsat has."""


def run_network(x: Doubles, net: Mapping[str, Any]) -> Doubles:
    """Return the raw output of the Sentinel-2 biophysical processor.

    Parameters
    ----------
    x : (n, 11) float
        Reflectance of B3, B4, B5, B6, B7, B8A, B11, B12 and the cosines of view
        zenith, sun zenith and relative azimuth.
    net : mapping
        ``normalisation``, ``w1``, ``b1``, ``w2``, ``b2``, ``denormalisation``.

    References
    ----------
    Weiss and Baret, S2ToolBox Level 2 products; coefficients of version 3.0.
    """
    low, high = np.array(net["normalisation"]).T
    scaled = 2 * (x - low) / (high - low) - 1
    hidden = np.tanh(scaled @ np.array(net["w1"]).T + np.ravel(net["b1"]))
    raw = hidden @ np.ravel(net["w2"]) + np.ravel(net["b2"])
    least, most = np.ravel(net["denormalisation"])
    return np.asarray(0.5 * (raw + 1) * (most - least) + least)


def red_edge_model(vectors: pd.DataFrame) -> Any:
    """Return a regression of the red-edge bands on the five that Landsat shares.

    Fitted on the network's own test vectors: quadratic in log reflectance.
    """
    from sklearn.compose import TransformedTargetRegressor  # noqa: PLC0415 - benchmark
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415 - benchmark
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415 - benchmark
    from sklearn.preprocessing import (  # noqa: PLC0415 - benchmark
        FunctionTransformer,
        PolynomialFeatures,
        StandardScaler,
    )

    model = TransformedTargetRegressor(
        make_pipeline(
            FunctionTransformer(np.log),
            StandardScaler(),
            PolynomialFeatures(2, include_bias=False),
            RidgeCV(np.logspace(-4, 2, 13)),
        ),
        func=np.log,
        inverse_func=np.exp,
        check_inverse=False,
    )
    known = vectors[[*ESA_BANDS]].clip(lower=0.001).to_numpy()
    return model.fit(known, vectors[[*RED_EDGE]].clip(lower=0.001).to_numpy())


def esa_cover(
    reflectance: Mapping[str, Doubles],
    red_edge: Any,
    net: Mapping[str, Any],
    sun: float,
) -> Doubles:
    """Return the network's cover of pixels whose red edge is filled in.

    Parameters
    ----------
    reflectance : mapping of str to (n,) float
        Of ``BANDS``.
    red_edge : regression
        From ``red_edge_model``.
    net : mapping
        As in ``run_network``.
    sun : float
        Sun zenith [degree]; seen from straight above.
    """
    known = np.stack([np.maximum(reflectance[name], 0.001) for name in BANDS], axis=1)
    edge = red_edge.predict(known)
    green, red, nir, swir16, swir22 = known.T
    cosines = np.array([1.0, np.cos(np.radians(sun)), 0.0])
    angles = np.tile(cosines, (len(known), 1))
    x = np.column_stack([green, red, edge, nir, swir16, swir22, angles])
    return np.clip(run_network(x, net), 0.0, 1.0)
