"""The twin's ecosystems: their codes, names and groups. Nothing else."""

from __future__ import annotations

MEADOW, STEPPE, ALPINE_DESERT, SHRUB, SPRUCE = 1, 2, 3, 4, 5
MARSH, ROCK, SNOW, WATER, JUNIPER = 6, 7, 8, 9, 10
BROADLEAF, CROPLAND, PLAYA, BLACK_SOIL, TEMPERATE_STEPPE = 11, 12, 13, 14, 15

ECOSYSTEMS = {
    MEADOW: ("alpine meadow", "高寒草甸"),
    STEPPE: ("alpine steppe", "高寒草原"),
    ALPINE_DESERT: ("alpine desert", "高寒荒漠"),
    SHRUB: ("alpine shrub", "高寒灌丛"),
    SPRUCE: ("spruce forest", "云杉林"),
    MARSH: ("marsh meadow", "沼泽草甸"),
    ROCK: ("bare rock", "裸岩"),
    SNOW: ("permanent snow and ice", "冰川与永久积雪"),
    WATER: ("water", "水体"),
    JUNIPER: ("juniper open woodland", "圆柏疏林"),
    BROADLEAF: ("birch and poplar woodland", "桦杨林"),
    CROPLAND: ("cropland", "耕地"),
    PLAYA: ("saline playa", "盐壳"),
    BLACK_SOIL: ("black-soil patch", "黑土滩"),
    TEMPERATE_STEPPE: ("temperate steppe", "温性草原"),
}
"""Code in the ecosystem map to its English and Chinese name."""

CODES = max(ECOSYSTEMS) + 1
"""Length of a table by code."""

FOREST = (SPRUCE, JUNIPER, BROADLEAF)
"""Classes with trees."""
GRASSLAND = (MEADOW, STEPPE, ALPINE_DESERT, MARSH, BLACK_SOIL, TEMPERATE_STEPPE)
"""Classes of herbs alone: they follow the years and the trend."""

KEYS = {
    MEADOW: "meadow",
    STEPPE: "steppe",
    ALPINE_DESERT: "desert",
    SHRUB: "shrub",
    SPRUCE: "spruce",
    MARSH: "marsh",
    ROCK: "rock",
    SNOW: "snow",
    WATER: "water",
    JUNIPER: "juniper",
    BROADLEAF: "broadleaf",
    CROPLAND: "cropland",
    PLAYA: "playa",
    BLACK_SOIL: "black_soil",
    TEMPERATE_STEPPE: "temperate_steppe",
}
"""Code to the name of its section in config/twin.toml."""
