# ruff: noqa: A002, ARG002, N803 - arguments are named as Earth Engine names them
"""Heights, radar and land cover in a stand-in Earth Engine, interpolated and averaged.

Written from the documentation of each function. What it does not say is chosen
strictly: a pixel interpolated from a masked one is masked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio

from tests.standins.earthengine_images import (
    Asset,
    Evaluator,
    Grid,
    Layer,
    Picture,
    Refused,
    World,
)

GLO30 = "COPERNICUS/DEM/GLO30"
S1 = "COPERNICUS/S1_GRD_FLOAT"
WORLDCOVER = "ESA/WorldCover/v200"
NEAR, FAR = 36.0, 40.0
"""Incidence at the left and at the right edge of every radar image [deg]."""
LOOKS_FROM = {"ASCENDING": 257.0, "DESCENDING": 103.0}
"""Azimuth of the radar from the ground [deg]: the track's, near 36 N, less 90."""
FINE = 8
"""Samples along the edge of a pixel that is averaged."""


@dataclass
class Raster:
    """Numbers on a lattice, NaN where there is none."""

    values: np.ndarray
    there: Any
    crs: str

    def at(self, grid, how):
        """Take the nearest or the interpolated number at every pixel's centre."""
        east, north = grid.centres(self.crs)
        to_pixel = ~self.there
        col = to_pixel.a * east + to_pixel.b * north + to_pixel.c
        row = to_pixel.d * east + to_pixel.e * north + to_pixel.f
        rows, cols = self.values.shape
        inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        if how == "nearest":
            near = self._corner(np.floor(row), np.floor(col))
        else:
            row, col = row - 0.5, col - 0.5
            down, right = row - np.floor(row), col - np.floor(col)
            near = sum(
                self._corner(np.floor(row) + i, np.floor(col) + j)
                * np.abs(1 - i - down)
                * np.abs(1 - j - right)
                for i in (0, 1)
                for j in (0, 1)
            )
        valid = inside & np.isfinite(near)
        return Layer(np.where(valid, near, 0.0), valid, inside)

    def _corner(self, row, col):
        rows, cols = self.values.shape
        row = np.clip(row, 0, rows - 1).astype(int)
        return self.values[row, np.clip(col, 0, cols - 1).astype(int)]


def merged(rasters):
    """One raster of tiles on one lattice; the last on top."""
    first = rasters[0]
    steps = [
        tuple(round(v) for v in ~first.there * (r.there.c, r.there.f)) for r in rasters
    ]
    left, top = (min(step[k] for step in steps) for k in (0, 1))
    right = max(s[0] + r.values.shape[1] for s, r in zip(steps, rasters, strict=True))
    bottom = max(s[1] + r.values.shape[0] for s, r in zip(steps, rasters, strict=True))
    out = np.full((bottom - top, right - left), np.nan)
    for (col, row), raster in zip(steps, rasters, strict=True):
        rows, cols = raster.values.shape
        part = out[row - top : row - top + rows, col - left : col - left + cols]
        np.copyto(part, raster.values, where=np.isfinite(raster.values))
    there = first.there * first.there.translation(left, top)
    return Raster(out, there, first.crs)


@dataclass
class LayerAsset(Asset):
    """An image whose bands are interpolated."""

    ground: list[Raster] = field(default_factory=list)
    """Heights that light the slopes of a radar image."""

    def raster(self, name):
        """A band as the service stores it; sigma nought for radar."""
        file = self.bands["VV" if name == "angle" else name]
        with rasterio.open(file) as source:
            values = source.read(1, masked=True).astype(float).filled(np.nan)
            there, crs = source.transform, source.crs.to_wkt()
        if name not in ("VV", "VH", "angle"):
            return Raster(values, there, crs)
        angle = np.broadcast_to(np.linspace(NEAR, FAR, values.shape[1]), values.shape)
        if name == "angle":
            values = np.where(np.isfinite(values), angle, np.nan)
        else:
            values = values * np.cos(np.radians(angle))
            if self.ground:
                grid = Grid(
                    values.shape[1],
                    values.shape[0],
                    affine_table(there),
                    pyproj.CRS(crs),
                )
                values = values / self.flattening(grid, np.radians(angle))
        return Raster(values, there, crs)

    def flattening(self, grid, incidence):
        """Gamma nought of a slope's own plane over that of level ground, by vectors.

        Ulander (1996): a resolution cell's area goes with 1 / cos(psi), psi between the
        ground's normal and the normal of the image plane; gamma takes the cosine of the
        local incidence. The normal comes from heights along east and north.
        """
        ground = merged(self.ground)
        east, north = gradients(ground)
        places = [
            Raster(part, ground.there, ground.crs).at(grid, "bilinear").values
            for part in (east, north)
        ]
        towards = np.radians(LOOKS_FROM[self.properties["orbitProperties_pass"]])
        away = -(places[0] * np.sin(towards) + places[1] * np.cos(towards))
        # In the vertical plane of the look: x away from the radar, z up.
        normal = np.stack([-away, np.ones_like(away)])
        back = np.stack([-np.sin(incidence), np.cos(incidence)])
        plane = np.stack([np.cos(incidence), np.sin(incidence)])
        local = (normal * back).sum(0) / (normal * plane).sum(0)
        level = np.cos(incidence) / np.sin(incidence)
        return level / local


def affine_table(there):
    """An affine as a request states it."""
    return {
        "scaleX": there.a,
        "shearX": there.b,
        "translateX": there.c,
        "shearY": there.d,
        "scaleY": there.e,
        "translateY": there.f,
    }


def gradients(ground):
    """Rise per metre to the east and to the north, of heights in degrees."""
    rows, _ = ground.values.shape
    assert pyproj.CRS(ground.crs).is_geographic
    latitude = np.radians(ground.there.f + ground.there.e * (np.arange(rows) + 0.5))
    metre = 111_320.0
    east = np.gradient(ground.values, axis=1) / (
        ground.there.a * metre * np.cos(latitude)[:, None]
    )
    north = np.gradient(ground.values, axis=0) / (ground.there.e * metre)
    return east, north


def twin_layers(catalogue, world=None, *, relief=True):
    """Return the heights and the radar of a twin's archive as Earth Engine's.

    The twin's radar is flattened. With ``relief`` the slopes are lit again, as those
    of Earth Engine are.
    """
    world = world or World()
    root = Path(catalogue).parent
    kinds = {
        "cop-dem-glo-30": (GLO30, {"DEM": "data"}),
        "sentinel-1-rtc": (S1, {"VV": "vv", "VH": "vh", "angle": "vv"}),
    }
    for shelf, (collection, names) in kinds.items():
        for path in sorted((root / shelf).rglob("*.json")):
            item = json.loads(path.read_text())
            if item.get("type") != "Feature":
                continue
            said = item["properties"]
            properties = {"provenance": "simulated", "system:index": item["id"]}
            if collection == S1:
                properties |= {
                    "instrumentMode": "IW",
                    "transmitterReceiverPolarisation": ["VV", "VH"],
                    "orbitProperties_pass": said["sat:orbit_state"].upper(),
                }
            asset = LayerAsset(
                f"{collection}/{item['id']}",
                said.get("datetime") or said["start_datetime"],
                item["geometry"],
                properties,
                {b: path.parent / item["assets"][k]["href"] for b, k in names.items()},
            )
            world.assets[asset.asset_id] = asset
    heights = [a for a in world.assets.values() if a.asset_id.startswith(GLO30)]
    ground = [asset.raster("DEM") for asset in heights]
    for asset in world.assets.values():
        if asset.asset_id.startswith(S1):
            asset.ground = ground if relief else []
    return world


@dataclass
class Surface(Picture):
    """An image that may still be resampled: bands with the lattice they lie on."""

    rasters: dict[str, Raster] = field(default_factory=dict)
    grid: Grid | None = None
    placed: bool = True
    """False for a mosaic, which has no projection of its own."""

    @classmethod
    def over(cls, rasters, grid, how="nearest", *, placed=True):
        bands = {n: (lambda r=r: r.at(grid, how)) for n, r in rasters.items()}
        return cls(bands, None, rasters, grid, placed)


class LayerEvaluator(Evaluator):
    """Computes images that may be interpolated, mosaicked and averaged."""

    def node(self, node, scope):
        call = node.get("functionInvocationValue", {})
        if call.get("functionName") == "Image.reduceResolution":
            return self.averaged(call["arguments"], scope)
        if call.get("functionName") == "Image.reproject":
            return self.reprojected(call["arguments"], scope)
        return super().node(node, scope)

    def averaged(self, given, scope):
        """The expression on a finer grid, reduced to the one asked for."""
        assert given["bestEffort"] == {"constantValue": True}
        a = dict(self.grid.affine)
        scales = ("scaleX", "scaleY", "shearX", "shearY")
        fine_affine = a | {k: a[k] / FINE for k in scales if k in a}
        width, height = self.grid.width, self.grid.height
        fine = Grid(width * FINE, height * FINE, fine_affine, self.grid.crs)
        values = self.values | {"to be reduced": given["image"]}
        expression = {"values": values, "result": "to be reduced"}
        picture = LayerEvaluator(self.world, expression, fine).result
        how = _most_frequent if self.node(given["reducer"], scope) == "mode" else _mean
        return Picture(
            {n: how(picture.layer(n), height, width) for n in picture.bands}, None
        )

    def reprojected(self, given, scope):
        """The expression on the lattice named, which then may be resampled."""
        own = self.node(given["crs"], scope)
        east, north = self.grid.centres(own.crs)
        col, row = ~own.there * (east, north)
        left, top = int(np.floor(col.min())) - 3, int(np.floor(row.min())) - 3
        width, height = int(col.max()) + 4 - left, int(row.max()) + 4 - top
        there = own.there * own.there.translation(left, top)
        native = Grid(width, height, affine_table(there), pyproj.CRS(own.crs))
        values = self.values | {"on its own lattice": given["image"]}
        expression = {"values": values, "result": "on its own lattice"}
        picture = LayerEvaluator(self.world, expression, native).result
        layers = {n: picture.layer(n) for n in picture.bands}
        rasters = {
            n: Raster(np.where(a.valid, a.values, np.nan), there, own.crs)
            for n, a in layers.items()
        }
        return Surface.over(rasters, self.grid)

    def terrain_slope(self, input):
        return self.terrain(input, "slope")

    def terrain_aspect(self, input):
        return self.terrain(input, "aspect")

    def terrain(self, heights, name):
        """Steepness, or the azimuth downhill, masked on level ground [deg]."""
        (raster,) = heights.rasters.values()
        east, north = gradients(raster)
        steep = np.hypot(east, north)
        found = np.degrees(np.arctan(steep))
        if name == "aspect":
            downhill = np.degrees(np.arctan2(-east, -north)) % 360.0
            found = np.where(steep > 0, downhill, np.nan)
        there = Raster(found, raster.there, raster.crs)
        return Surface.over({name: there}, self.grid)

    def image_load(self, id, version=-1):
        asset = self.world.assets.get(id)
        if not isinstance(asset, LayerAsset):
            return super().image_load(id, version)
        return Surface.over({n: asset.raster(n) for n in asset.bands}, self.grid)

    def image_select(self, input, bandSelectors, newNames=None):
        if not isinstance(input, Surface):
            return super().image_select(input, bandSelectors, newNames)
        kept = {b: input.bands[b] for b in bandSelectors}
        rasters = {b: input.rasters[b] for b in bandSelectors}
        return replace(input, bands=kept, rasters=rasters)

    def image_resample(self, image, mode="bilinear"):
        if not image.placed:
            raise Refused("A mosaic is resampled at one degree: no projection.")
        return Surface.over(image.rasters, self.grid, mode)

    def imagecollection_fromimages(self, images):
        return images

    def imagecollection_mosaic(self, collection):
        names = collection[0].rasters
        rasters = {n: merged([i.rasters[n] for i in collection]) for n in names}
        return Surface.over(rasters, self.grid, placed=False)

    def image_projection(self, image):
        (raster,) = image.rasters.values()
        return raster

    def image_setdefaultprojection(self, image, crs, crsTransform=None, scale=None):
        assert isinstance(crs, Raster)
        return Surface.over(image.rasters, self.grid)

    def image_divide(self, image1, image2):
        (one,), (other,) = image1.layers(), image2.layers()
        valid = one.valid & other.valid & (other.values != 0)
        safe = np.where(valid, other.values, 1.0)
        layer = Layer(one.values / safe, valid, one.inside & other.inside)
        return Picture(dict.fromkeys(image1.bands, layer), None)

    def image_cos(self, value):
        return _of_each(value, np.cos)

    def image_tan(self, value):
        return _of_each(value, np.tan)

    def image_atan(self, value):
        return _of_each(value, np.arctan)

    def image_touint8(self, value):
        (layer,) = value.layers()
        return value.with_layers([replace(layer, values=layer.values.astype("u1"))])

    def reducer_mean(self):
        return "mean"

    def reducer_mode(self):
        return "mode"


def _of_each(picture, compute):
    (layer,) = picture.layers()
    return picture.with_layers([replace(layer, values=compute(layer.values))])


def _blocks(values, height, width):
    cut = values.reshape(height, FINE, width, FINE)
    return cut.transpose(0, 2, 1, 3).reshape(height, width, FINE * FINE)


def _mean(layer, height, width):
    values, valid = (_blocks(v, height, width) for v in (layer.values, layer.valid))
    count = valid.sum(axis=-1)
    total = np.where(valid, values, 0.0).sum(axis=-1)
    inside = _blocks(layer.inside, height, width).any(axis=-1)
    return Layer(total / np.maximum(count, 1), count > 0, inside)


def _most_frequent(layer, height, width):
    values, valid = (_blocks(v, height, width) for v in (layer.values, layer.valid))
    kinds = np.unique(layer.values)
    counts = [((values == kind) & valid).sum(axis=-1) for kind in kinds]
    inside = _blocks(layer.inside, height, width).any(axis=-1)
    return Layer(kinds[np.argmax(counts, axis=0)], valid.any(axis=-1), inside)
