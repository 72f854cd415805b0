# ruff: noqa: A002, ARG002, N803 - arguments are named as Earth Engine names them
"""What a stand-in Earth Engine computes: image graphs, evaluated with numpy.

Written from the documentation of each function and not from ``qhsink``: masks,
footprints and default values behave as the service says they do. Pixels are the
nearest ones by exact projection of every pixel's centre.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from shapely.geometry import shape

S2 = "COPERNICUS/S2_SR_HARMONIZED"
SCORES = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
CLOUDY = (3, 8, 9, 10)
UPDATED = "2025-10-01T00:00:00.000000Z"


class Refused(Exception):  # noqa: N818 - what the server says
    """A request that Earth Engine answers with 400 or 404."""

    def __init__(self, message, status=400):
        super().__init__(message)
        self.status = status


@dataclass
class Layer:
    """A band on a grid."""

    values: np.ndarray
    valid: np.ndarray
    inside: np.ndarray


@dataclass
class Grid:
    """Where pixels are asked for."""

    width: int
    height: int
    affine: dict[str, float]
    crs: pyproj.CRS
    found: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, table):
        size, crs = table["dimensions"], table.get("crsWkt") or table["crsCode"]
        known = pyproj.CRS.from_user_input(crs)
        return cls(size["width"], size["height"], table["affineTransform"], known)

    def centres(self, wkt):
        """East and north of every pixel's centre in another CRS."""
        if wkt not in self.found:
            col, row = np.meshgrid(
                np.arange(self.width) + 0.5, np.arange(self.height) + 0.5
            )
            a = self.affine
            x = a["scaleX"] * col + a.get("shearX", 0) * row + a["translateX"]
            y = a.get("shearY", 0) * col + a["scaleY"] * row + a["translateY"]
            project = transformer(self.crs.to_wkt(), wkt)
            self.found[wkt] = project.transform(x, y)
        return self.found[wkt]


@functools.lru_cache(maxsize=64)
def transformer(one, other):
    return pyproj.Transformer.from_crs(one, other, always_xy=True)


@dataclass
class Asset:
    """One image: what a list says of it, and its bands as files."""

    asset_id: str
    start: str
    geometry: dict[str, Any]
    properties: dict[str, Any]
    bands: dict[str, Path]
    updated: str = UPDATED
    signed: bool = False
    """Whether harmonised numbers may be negative; the real ones may not."""
    plain: bool = False
    """Whether numbers are stored as they lie in the file, masked where not above 0."""

    def listed(self):
        return {
            "type": "IMAGE",
            "name": f"projects/earthengine-public/assets/{self.asset_id}",
            "id": self.asset_id,
            "updateTime": self.updated,
            "startTime": self.start,
            "geometry": self.geometry,
            "properties": self.properties,
        }

    def sample(self, name, grid):
        with rasterio.open(self.bands[name]) as source:
            numbers, there, crs = source.read(1), ~source.transform, source.crs
        east, north = grid.centres(crs.to_wkt())
        col = np.floor(there.a * east + there.b * north + there.c).astype(int)
        row = np.floor(there.d * east + there.e * north + there.f).astype(int)
        rows, cols = numbers.shape
        inside = (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        values = np.zeros(inside.shape)
        values[inside] = numbers[row[inside], col[inside]]
        return self.stored(name, values, inside)

    def stored(self, name, values, inside):
        """What the service stores: harmonised numbers, masked where there is none."""
        valid = inside & (values > 0)
        if self.plain:
            return Layer(values, valid, inside)
        if self.asset_id.startswith(SCORES):
            cloudy = np.isin(values, CLOUDY)
            return Layer(np.where(cloudy, 0.2, 0.95), valid, inside)
        if name != "SCL":
            values = values - 1000.0 if self.signed else np.maximum(values - 1000.0, 0)
        return Layer(values, valid, inside)


@dataclass
class World:
    """Everything the stand-in holds."""

    assets: dict[str, Asset] = field(default_factory=dict)
    hazy: set[str] = field(default_factory=set)
    """Indices of images whose score is low everywhere."""
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """GeoJSON features of each table, by asset id."""

    def collection(self, asset_id):
        return [a for k, a in self.assets.items() if k.rpartition("/")[0] == asset_id]

    def load(self, asset_id, grid):
        if asset_id not in self.assets:
            raise Refused(f"Image.load: Image asset '{asset_id}' not found.")
        return Picture.of(self.assets[asset_id], grid, self)


KEYS = {
    "B2": "blue",
    "B3": "green",
    "B4": "red",
    "B5": "rededge1",
    "B6": "rededge2",
    "B7": "rededge3",
    "B8A": "nir08",
    "B11": "swir16",
    "B12": "swir22",
    "SCL": "scl",
}


def twin_world(catalogue):
    """Return the twin's archive as Earth Engine would hold it."""
    world = World()
    for path in sorted(Path(catalogue).parent.rglob("S2*.json")):
        item = json.loads(path.read_text())
        properties = item["properties"]
        start = datetime.fromisoformat(properties["datetime"])
        stamp = (start - timedelta(seconds=15)).strftime("%Y%m%dT%H%M%S")
        tile = properties["grid:code"].removeprefix("MGRS-")
        index = f"{stamp}_{start.strftime('%Y%m%dT%H%M%S')}_T{tile}"
        bands = {b: path.parent / item["assets"][k]["href"] for b, k in KEYS.items()}
        common = {"system:index": index, "provenance": "simulated"}
        image = Asset(
            f"{S2}/{index}",
            properties["datetime"],
            item["geometry"],
            {
                **common,
                "SPACECRAFT_NAME": properties["platform"].title(),
                "PROCESSING_BASELINE": properties["s2:processing_baseline"],
                "CLOUDY_PIXEL_PERCENTAGE": properties["eo:cloud_cover"],
                "MGRS_TILE": tile,
            },
            bands,
        )
        score = Asset(
            f"{SCORES}/{index}",
            properties["datetime"],
            item["geometry"],
            common,
            {"cs": bands["SCL"], "cs_cdf": bands["SCL"]},
        )
        world.assets |= {image.asset_id: image, score.asset_id: score}
    return world


@dataclass
class Picture:
    """An image: bands by name, computed when asked for."""

    bands: dict[str, Any]
    asset: Asset | None = None

    @classmethod
    def of(cls, asset, grid, world):
        def layer(name):
            found = asset.sample(name, grid)
            hazy = asset.asset_id.startswith(SCORES)
            if hazy and asset.properties["system:index"] in world.hazy:
                found.values[:] = 0.1
            return found

        bands = {name: (lambda name=name: layer(name)) for name in asset.bands}
        return cls(bands, asset)

    def layer(self, name):
        if callable(self.bands[name]):
            self.bands[name] = self.bands[name]()
        return self.bands[name]

    def layers(self):
        return [self.layer(name) for name in self.bands]

    def with_layers(self, layers):
        return Picture(dict(zip(self.bands, layers, strict=True)), self.asset)


def _paired(one, other, compute):
    """Combine two images band by band; one band goes with all."""
    right = other.layers()
    right = right * len(one.bands) if len(right) == 1 else right
    layers = [
        Layer(compute(a.values, b.values), a.valid & b.valid, a.inside & b.inside)
        for a, b in zip(one.layers(), right, strict=True)
    ]
    return one.with_layers(layers)


def _each(image, compute):
    return image.with_layers(
        [Layer(compute(a.values), a.valid, a.inside) for a in image.layers()]
    )


BINARY = {
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
    "eq": np.equal,
    "neq": np.not_equal,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "and": lambda a, b: (a != 0) & (b != 0),
}


def _away(values):
    return np.sign(values) * np.floor(np.abs(values) + 0.5)


class Evaluator:
    """Computes one expression on one grid."""

    def __init__(self, world, expression, grid):
        self.world, self.values, self.grid = world, expression["values"], grid
        self.seen: dict[str, Any] = {}
        self.result = self.at(expression["result"], {})

    def at(self, name, scope):
        if scope:
            return self.node(self.values[name], scope)
        if name not in self.seen:
            self.seen[name] = self.node(self.values[name], scope)
        return self.seen[name]

    def node(self, node, scope):
        ((kind, content),) = node.items()
        if kind == "constantValue":
            return content
        if kind == "valueReference":
            return self.at(content, scope)
        if kind == "argumentReference":
            return scope[content]
        if kind == "arrayValue":
            return [self.node(v, scope) for v in content["values"]]
        if kind == "functionDefinitionValue":
            (name,) = content["argumentNames"]
            return lambda value: self.at(content["body"], {**scope, name: value})
        arguments = {k: self.node(v, scope) for k, v in content["arguments"].items()}
        return self.call(content["functionName"], arguments)

    def call(self, name, given):
        family, _, function = name.partition(".")
        if family == "Image" and function in BINARY:
            compute = BINARY[function]
            return _paired(given["image1"], given["image2"], compute)
        method = getattr(self, f"{family}_{function}".rstrip("_").lower(), None)
        if method is None:
            raise Refused(f"Unknown function '{name}' in this stand-in.")
        return method(**given)

    def image_load(self, id, version=-1):
        return self.world.load(id, self.grid)

    def image_constant(self, value):
        shape_ = (self.grid.height, self.grid.width)
        everywhere = np.ones(shape_, dtype=bool)
        return Picture(
            {"constant": Layer(np.full(shape_, float(value)), everywhere, everywhere)}
        )

    def image_select(self, input, bandSelectors, newNames=None):
        missing = [b for b in bandSelectors if b not in input.bands]
        if missing:
            raise Refused(
                f"Image.select: Band pattern '{missing[0]}' did not match any bands. "
                f"Available bands: {list(input.bands)}"
            )
        return Picture({b: input.bands[b] for b in bandSelectors}, input.asset)

    def image_rename(self, input, names):
        return Picture(dict(zip(names, input.layers(), strict=True)), input.asset)

    def image_addbands(self, dstImg, srcImg, names=None, overwrite=False):
        return Picture({**dstImg.bands, **srcImg.bands}, dstImg.asset)

    def image_tofloat(self, value):
        return _each(value, lambda v: v.astype(np.float32))

    def image_clamp(self, input, low, high):
        return _each(input, lambda v: np.clip(v, low, high))

    def image_round(self, value):
        return _each(value, _away)

    def image_toint16(self, value):
        return _each(value, lambda v: v.astype(np.int16))

    def image_touint16(self, value):
        return _each(value, lambda v: v.astype(np.uint16))

    def image_unmask(self, input, value, sameFootprint=True):
        (filler,) = value.layers()
        layers = []
        for layer in input.layers():
            reach = layer.inside if sameFootprint else np.ones_like(layer.inside)
            values = np.where(layer.valid, layer.values, filler.values)
            layers.append(Layer(values, layer.valid | reach, reach))
        return input.with_layers(layers)

    def image_updatemask(self, image, mask):
        (keep,) = mask.layers()
        return image.with_layers(
            [
                Layer(a.values, a.valid & keep.valid & (keep.values != 0), a.inside)
                for a in image.layers()
            ]
        )

    def image_where(self, input, test, value):
        (chosen,), (other,) = test.layers(), value.layers()
        take = chosen.valid & (chosen.values != 0) & other.valid
        return input.with_layers(
            [
                Layer(np.where(take, other.values, a.values), a.valid, a.inside)
                for a in input.layers()
            ]
        )

    def image_linkcollection(
        self,
        input,
        imageCollection,
        linkedBands,
        linkedProperties=None,
        matchPropertyName="system:index",
    ):
        key = input.asset.properties[matchPropertyName]
        for other in imageCollection:
            if other.asset.properties[matchPropertyName] == key:
                linked = {b: other.bands[b] for b in linkedBands}
                return Picture({**input.bands, **linked}, input.asset)
        nowhere = np.zeros((self.grid.height, self.grid.width), dtype=bool)
        empty = Layer(np.zeros(nowhere.shape), nowhere, nowhere)
        return Picture({**input.bands, **dict.fromkeys(linkedBands, empty)})

    def imagecollection_load(self, id, version=-1):
        found = self.world.collection(id)
        if not found:
            raise Refused(f"ImageCollection asset '{id}' not found.")
        return [Picture.of(asset, self.grid, self.world) for asset in found]

    def collection_filter(self, collection, filter):
        return [image for image in collection if filter(image.asset)]

    def collection_map(self, collection, baseAlgorithm):
        return [baseAlgorithm(image) for image in collection]

    def filter_intersects(self, leftField, rightValue):
        return lambda asset: shape(asset.geometry).intersects(rightValue)

    def filter_daterangecontains(self, leftValue, rightField):
        start, end = leftValue
        return lambda asset: start <= asset.start < end

    def daterange(self, start, end):
        return start, end

    def feature(self, geometry):
        return geometry

    def projection(self, crs):
        return crs

    def geometryconstructors_rectangle(self, coordinates, crs=None, geodesic=None):
        return shapely.box(*coordinates)

    def reduce_median(self, collection):
        return _reduced(collection, lambda s: np.nanmedian(s, axis=0))

    def reduce_count(self, collection):
        return _reduced(collection, lambda s: np.isfinite(s).sum(axis=0), count=True)


def _reduced(collection, compute, *, count=False):
    layers = []
    for name in collection[0].bands:
        found = [image.layer(name) for image in collection]
        stack = np.stack([np.where(a.valid, a.values, np.nan) for a in found])
        inside = np.any([a.inside for a in found], axis=0)
        valid = np.isfinite(stack).any(axis=0)
        safe = np.where(valid, stack, 0.0)
        layers.append(Layer(compute(stack if count else safe), valid, inside))
    return Picture(dict(zip(collection[0].bands, layers, strict=True)))


def npy_fields(picture):
    """Return the picture as Earth Engine's NPY: a field per band, 0 where masked."""
    layers = {name: picture.layer(name) for name in picture.bands}
    kinds = [(name, layer.values.dtype) for name, layer in layers.items()]
    out = np.zeros(next(iter(layers.values())).values.shape, dtype=kinds)
    for name, layer in layers.items():
        out[name] = np.where(layer.valid, layer.values, 0)
    return out
