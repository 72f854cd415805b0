"""Maps of lazy cubes: every member's prediction as one Dask array.

Windows in memory are predicted by ``qhsink.mapping.ensemble``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qhsink.mapping.ensemble import Ensemble, Floats, predict_members
from qhsink.mapping.features import fill_features, locate_bands
from qhsink.mapping.layers import NODATA, layer_step


def map_members(
    ensemble: Ensemble, data: Any, band_names: Sequence[str] | None = None
) -> Any:
    """Return every member's map of a lazy cube, as one lazy array.

    One blockwise call: one task per chunk, nothing is computed here.

    Parameters
    ----------
    ensemble : Ensemble
        The model.
    data : xarray.Dataset or dask array
        A dataset with one (y, x) dask variable per band, or a dask array (band, y, x).
        Integers are in steps of ``layers.LAYERS`` with ``NODATA``, floats in the
        layers' units with NaN.
    band_names : sequence of str, optional
        Name of each band; required for an array, taken from a dataset.

    Returns
    -------
    dask array (member, y, x) float32
        NaN where a needed band has no data. Columns of ``predict_members`` are planes.

    Raises
    ------
    ModelError
        When a band is missing or unnamed.
    """
    import dask.array as da  # noqa: PLC0415 - windows are predicted without dask

    is_dataset = hasattr(data, "data_vars")
    names = tuple(data.data_vars) if is_dataset else tuple(band_names or ())
    where = locate_bands(ensemble.features, names)
    layers = [data[name].data if is_dataset else data[where[name]] for name in where]
    pairs = [part for layer in layers for part in (layer, "yx")]
    return da.blockwise(  # type: ignore[no-untyped-call] # dask ships few types
        _map_block,
        "kyx",
        *pairs,
        new_axes={"k": ensemble.columns},
        dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
        ensemble=ensemble,
        names=tuple(where),
    )


def _map_block(
    *bands: NDArray[Any], ensemble: Ensemble, names: tuple[str, ...]
) -> Floats:
    valid = np.logical_and.reduce([_is_observed(band) for band in bands])
    steps = [
        layer_step(name) if np.issubdtype(band.dtype, np.integer) else np.float32(1)
        for name, band in zip(names, bands, strict=True)
    ]
    features = np.empty((len(ensemble.features), int(valid.sum())), np.float32)
    values = {
        name: band[valid].astype(np.float32) * step
        for name, band, step in zip(names, bands, steps, strict=True)
    }
    fill_features(values, ensemble.features, features)
    out = np.full((ensemble.columns, *valid.shape), np.nan, np.float32)
    out[:, valid] = predict_members(ensemble, features.T).T
    return out


def _is_observed(band: NDArray[Any]) -> NDArray[np.bool_]:
    if np.issubdtype(band.dtype, np.integer):
        return np.asarray(band != NODATA)
    return np.asarray(np.isfinite(band))
