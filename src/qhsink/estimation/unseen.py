"""What land without a clear date is taken to hold: what land seen at its height does.

Land is not missed at random. Rock and ice lie high, are taken for cloud or for snow,
and are much of what is not seen, so that land that was seen holds more than all land.
Post-stratification by height takes most of that out. Simulated, 13 % of a mountain
region unseen: land seen alone, raised to all land, held 4 to 8 % too much; by bands of
100 m, 1 to 2 %; by slope or aspect beside height no less.

References
----------
Holt and Smith 1979, J. R. Stat. Soc. A 142:33 (post-stratification); Little 1982,
J. Am. Stat. Assoc. 77:237, section 3 (the same for what is missing: adjustment cells).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class HeightBands:
    """Height of a tile's pixels, by band."""

    band: NDArray[np.int16]
    """Number of the band, shape (y, x); negative where the height is not known."""
    least_pixels: int
    """Pixels of land seen, below which a band says nothing of land that was not."""


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """What land seen on a tile holds by height band."""

    band: Ints
    """(y * x,) band of each pixel; negative where not known."""
    means: Doubles
    """(b, K) mean over land seen, by band, of every member."""

    def sums(self, pixels: Ints, weight: Doubles) -> tuple[Doubles, float]:
        """Return what pixels are taken to hold.

        Parameters
        ----------
        pixels : (m,) int64
            Row-major numbers of pixels that were not seen.
        weight : (m,) float64
            Their areas [ha].

        Returns
        -------
        (K,) float64, float
            Sums per member [unit ha], and the area of those whose height is known
            [ha].
        """
        known = self.band[pixels] >= 0
        band, weight = self.band[pixels[known]], weight[known]
        areas = np.bincount(band, weights=weight, minlength=len(self.means))
        return areas @ self.means, float(weight.sum())


def fill_by_height(
    heights: HeightBands,
    members: NDArray[np.float32],
    index: Ints,
    seen: NDArray[np.bool_],
) -> Filling | None:
    """Return the mean of land seen by height; None where no band has enough of it.

    Parameters
    ----------
    members : (n, K) float32
        Predictions of every member.
    index : (n,) int64
        Row-major numbers of the pixels that they are of.
    seen : (y * x,) bool
        All land seen: with a prediction, or of an ecosystem where the value is zero.

    Notes
    -----
    A band with too few pixels seen takes the nearest band with enough, so that peaks
    above all land seen are taken to be like the highest of it.
    """
    band = heights.band.ravel().astype(np.int64)
    count = max(int(band.max(initial=-1)) + 1, 0)
    pixels = np.bincount(band[seen & (band >= 0)], minlength=count)
    enough = np.flatnonzero(pixels >= heights.least_pixels)
    if not enough.size:
        return None
    home = band[index]
    known = home >= 0
    sums = np.stack(
        [
            np.bincount(home[known], weights=column[known], minlength=count)
            for column in members.T
        ],
        axis=1,
    )
    means = sums[enough] / pixels[enough, None]
    nearest = np.abs(np.arange(count)[:, None] - enough).argmin(axis=1)
    return Filling(band, means[nearest])
