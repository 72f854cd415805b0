"""A folder of downloaded SAFE or Landsat scenes made into a catalogue.

Reads the metadata that each product ships with and writes one STAC item per scene;
pixel files stay where they are. How numbers become reflectance is decided later from
the item (``offsets``), so the item states what the product states, no more.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from qhsink.domain.errors import SourceError

ITEMS = "qhsink-items"
"""Folder of the items, inside the indexed one."""

SAFE_FILES = {
    "B02_10m": "R10m",
    "B03_10m": "R10m",
    "B04_10m": "R10m",
    "B8A_20m": "R20m",
    "B11_20m": "R20m",
    "B12_20m": "R20m",
    "SCL_20m": "R20m",
}
"""File ending to its folder; at 60 m all are in ``R60m`` as well."""

SAFE_FURTHER = {f"B0{number}_20m": "R20m" for number in (5, 6, 7)}
"""The red edge: stated where it is there."""

SAFE_BANDS = (
    "B01", "B02", "B03", "B04", "B05", "B06", "B07",
    "B08", "B8A", "B09", "B10", "B11", "B12",
)  # fmt: skip
"""Bands by the ``band_id`` of MTD_MSIL2A.xml."""

LANDSAT_BANDS = ("B2", "B3", "B4", "B5", "B6", "B7")

MOST_XML = 50_000_000
"""Larger metadata are no product's [bytes]."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of an indexed folder."""

    catalogue: Path
    """The catalogue written."""
    items: tuple[str, ...]
    """Item ids, sorted."""
    refused: Mapping[str, str]
    """Products that could not be used, with the reason."""


def index_folder(folder: Path) -> Indexed:
    """Write a catalogue of the scenes in ``folder``; products are not touched.

    Parameters
    ----------
    folder : Path
        Holds ``*.SAFE`` folders (Sentinel-2 L2A) or Landsat Collection 2 level 2
        scenes (``*_MTL.json`` or ``*_MTL.xml`` beside their files), at any depth.

    Raises
    ------
    SourceError
        When it is no folder, or holds no product at all.
    """
    products = list(_products(folder)) if folder.is_dir() else []
    if not products:
        raise SourceError(
            f"no scene in {folder}",
            expected="*.SAFE folders with MTD_MSIL2A.xml, or Landsat *_MTL.json or "
            "*_MTL.xml beside their bands",
            remedy="Name the folder that the products were unpacked into.",
        )
    place = folder / ITEMS
    place.mkdir(exist_ok=True)
    items, refused = [], {}
    for path in products:
        try:
            item = _safe_item(path) if path.name.startswith("MTD") else _landsat(path)
        except (KeyError, ValueError, TypeError, OSError, ET.ParseError) as error:
            refused[path.parent.name] = f"{path.name}: {type(error).__name__} {error}"
            continue
        except SourceError as error:
            refused[path.parent.name] = str(error)
            continue
        for asset in item["assets"].values():
            asset["href"] = Path(os.path.relpath(asset["href"], place)).as_posix()
        _write(place / f"{item['id']}.json", item)
        items.append(item["id"])
    catalogue = folder / "catalog.json"
    _write(catalogue, _catalogue(sorted(items)))
    return Indexed(catalogue, tuple(sorted(items)), refused)


def _products(folder: Path) -> Iterator[Path]:
    """Yield the metadata file of each product; a Landsat scene has two, one is used."""
    yield from sorted(folder.rglob("MTD_MSIL2A.xml"))
    for path in sorted(folder.rglob("*_MTL.*")):
        twin = path.with_suffix(".json")
        if path.suffix == ".json" or (path.suffix == ".xml" and not twin.is_file()):
            yield path


def _catalogue(items: list[str]) -> dict[str, Any]:
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "indexed-folder",
        "description": "Downloaded scenes, indexed by qhsink.",
        "links": [{"rel": "item", "href": f"./{ITEMS}/{name}.json"} for name in items],
    }


def _item(
    name: str, ring: list[list[float]], properties: Mapping[str, Any]
) -> dict[str, Any]:
    xs, ys = [p[0] for p in ring], [p[1] for p in ring]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "links": [],
        "properties": dict(properties),
        "assets": {},
    }


# Sentinel-2 SAFE


def _safe_item(path: Path) -> dict[str, Any]:
    root = _parse(path)

    def text(tag: str) -> str:
        found = root.find(f".//{tag}")
        if found is None or not (found.text or "").strip():
            raise KeyError(tag)
        return str(found.text).strip()

    product = text("PRODUCT_URI").removesuffix(".SAFE")
    corners = [float(part) for part in text("EXT_POS_LIST").split()]
    ring = [list(p) for p in zip(corners[1::2], corners[::2], strict=True)]
    item = _item(
        product,
        ring[:-1] if ring[0] == ring[-1] else ring,
        {
            "datetime": text("PRODUCT_START_TIME"),
            "platform": text("SPACECRAFT_NAME").lower(),
            "s2:product_type": text("PRODUCT_TYPE"),
            "s2:product_uri": f"{product}.SAFE",
            "s2:processing_baseline": text("PROCESSING_BASELINE"),
            "eo:cloud_cover": float(text("Cloud_Coverage_Assessment")),
            "grid:code": f"MGRS-{_safe_tile(product)}",
        },
    )
    scale = 1.0 / float(text("BOA_QUANTIFICATION_VALUE"))
    offsets = {
        SAFE_BANDS[int(node.get("band_id", "0"))]: float(node.text or "") * scale
        for node in root.iter("BOA_ADD_OFFSET")
    }
    for ending, resolution in (SAFE_FILES | SAFE_FURTHER).items():
        if ending in SAFE_FURTHER and not _safe_files(path.parent, ending, resolution):
            continue
        item["assets"][ending] = _safe_asset(
            path.parent, ending, resolution, scale, offsets
        )
    return item


def _safe_files(product: Path, ending: str, resolution: str) -> list[Path]:
    return [
        path
        for suffix in ("jp2", "tif")
        for path in sorted(
            product.glob(f"GRANULE/*/IMG_DATA/{resolution}/*_{ending}.{suffix}")
        )
    ]


def _safe_tile(product: str) -> str:
    found = re.search(r"_T(\d\d[A-Z]{3})_", product)
    if not found:
        raise ValueError(f"no tile in the product name {product}")
    return found[1]


def _safe_asset(
    product: Path,
    ending: str,
    resolution: str,
    scale: float,
    offsets: Mapping[str, float],
) -> dict[str, Any]:
    band = ending.partition("_")[0]
    found = _safe_files(product, ending, resolution)
    if not found:
        raise SourceError(
            f"{product.name}: no file *_{ending}.jp2 in IMG_DATA/{resolution}",
            expected="a whole L2A product with its 10 m and 20 m bands",
            remedy="Unpack or download it again.",
        )
    asset: dict[str, Any] = {"href": str(found[0]), "roles": ["data"]}
    if band != "SCL":
        stated = {"scale": scale, "nodata": 0}
        if offsets:
            stated["offset"] = offsets[band]
        asset |= {"eo:bands": [{"name": band}], "raster:bands": [stated]}
    return asset


# Landsat Collection 2


def _landsat(path: Path) -> dict[str, Any]:
    facts = _flat(path)
    corners = [
        [float(facts[f"CORNER_{c}_{axis}_PRODUCT"]) for axis in ("LON", "LAT")]
        for c in ("UL", "UR", "LR", "LL")
    ]
    name = facts["LANDSAT_PRODUCT_ID"]
    item = _item(
        name,
        corners,
        {
            "datetime": f"{facts['DATE_ACQUIRED']}T{facts['SCENE_CENTER_TIME']}",
            "platform": facts["SPACECRAFT_ID"].lower().replace("_", "-"),
            "landsat:correction": facts["PROCESSING_LEVEL"],
            "landsat:collection_number": facts["COLLECTION_NUMBER"].zfill(2),
            "landsat:wrs_path": facts["WRS_PATH"].zfill(3),
            "landsat:wrs_row": facts["WRS_ROW"].zfill(3),
            "eo:cloud_cover": float(facts["CLOUD_COVER"]),
        },
    )
    for band in LANDSAT_BANDS:
        number = band.removeprefix("B")
        stated = {
            "scale": float(facts[f"REFLECTANCE_MULT_BAND_{number}"]),
            "offset": float(facts[f"REFLECTANCE_ADD_BAND_{number}"]),
        }
        item["assets"][f"SR_{band}"] = {
            "href": _beside(path, f"{name}_SR_{band}.TIF"),
            "eo:bands": [{"name": f"SR_{band}"}],
            "raster:bands": [stated],
        }
    item["assets"]["QA_PIXEL"] = {"href": _beside(path, f"{name}_QA_PIXEL.TIF")}
    saturation = path.parent / f"{name}_QA_RADSAT.TIF"
    if saturation.is_file():
        item["assets"]["QA_RADSAT"] = {"href": str(saturation)}
    return item


def _beside(metadata: Path, name: str) -> str:
    path = metadata.parent / name
    if not path.is_file():
        raise SourceError(
            f"{metadata.name}: no file {name} beside it",
            expected="a whole Collection 2 level 2 scene",
            remedy="Unpack or download it again.",
        )
    return str(path)


def _flat(path: Path) -> dict[str, str]:
    """Return the fields of an MTL file by name.

    The level 2 parameters come before those of level 1, which repeat some names: the
    first is taken.
    """
    if path.suffix == ".json":
        groups = json.loads(path.read_text(encoding="utf-8"))
        pairs = list(_leaves(groups))
    else:
        pairs = [(node.tag, (node.text or "").strip()) for node in _parse(path).iter()]
    facts: dict[str, str] = {}
    for name, value in pairs:
        if value:
            facts.setdefault(name, value.strip('"'))
    return facts


def _leaves(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _leaves(value)
        else:
            yield name, str(value)


def _parse(path: Path) -> ET.Element:
    """Return the root of an XML file; one with its own entities is refused."""
    if path.stat().st_size > MOST_XML:
        raise ValueError(f"{path.name} is larger than {MOST_XML} bytes")
    content = path.read_bytes()
    if b"<!ENTITY" in content:
        raise ValueError(f"{path.name} defines entities, which no product does")
    return ET.fromstring(content)  # noqa: S314 - entities are refused above


def _write(path: Path, content: Mapping[str, Any]) -> None:
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    aside.replace(path)
