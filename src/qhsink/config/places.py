"""``Settings``: where things lie and by what means; nothing here changes a result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from qhsink.config.parsing import Section, parse_section, read_toml
from qhsink.domain.errors import ConfigError

READS, LAYERS = "reads", "layers"
"""The table of ``config/sources.toml`` that is no source."""


class Offer(Section):
    """What a provider holds of one product, and on what that rests."""

    product: str
    """One of ``PRODUCTS``."""
    status: Literal["tested", "unverified", "no"]
    """``tested``: asset names hold on a real item; ``unverified``: from documentation
    alone; ``no``: not to be had there."""
    collection: str = ""
    """Its collection; empty where there is none."""
    note: str = ""
    """Why not, or what a user should know."""


PRODUCTS = {
    "sentinel-2-l2a": "S2 L2A",
    "sentinel-2-c1-l2a": "S2 L2A collection 1",
    "landsat-c2-l2": "Landsat 8/9 C2 L2",
    "backscatter": "S1 RTC",
    "elevation": "Copernicus DEM 30 m",
    "landcover": "ESA WorldCover",
}
"""Products of ``offers`` and their titles; layers by their names in ``[layers]``."""


class SourceConfig(Section):
    """One place where scenes come from."""

    kind: Literal["static", "api", "earthengine"]
    """A static catalogue (a path or an https address), a STAC API, Earth Engine."""
    url: str
    """Path (relative to the project folder) or URL of catalogue, API or endpoint."""
    collections: tuple[str, ...] = ()
    """Collections searched; empty for all in a static catalogue."""
    exclude: tuple[str, ...] = ()
    """Item ids left out: their metadata or files are known to be wrong."""
    run_config: str = "monitor.toml"
    """Run configuration that goes with it, in ``config/``."""
    token_url: str = ""
    """Where an address is signed, with ``{account}`` and ``{container}`` to be filled
    in from it; empty when addresses need no signature."""
    bearer_env: str = ""
    """Environment variable with an access token; empty when none is needed."""
    key_hosts: tuple[str, ...] = ()
    """Hosts that get the signature or the token; ``.example.org`` for all below it."""
    alternate: str = ""
    """Name of the alternate address that is read (``alternate`` of an asset)."""
    rewrite: tuple[tuple[str, str], ...] = ()
    """Beginnings of addresses and what they are replaced by: public buckets."""
    cloud_project: str = ""
    """Earth Engine: Google Cloud project; ``EARTHENGINE_PROJECT`` when empty."""
    deadline_s: Annotated[float, Field(gt=0)] = 300.0
    """Earth Engine: longest time for one request, answer included [s]."""
    max_concurrent: Annotated[int, Field(ge=1, le=40)] = 8
    """Earth Engine: requests at once in one process; a project may have 40."""
    cloud_score: Annotated[float, Field(ge=0, le=1)] = 0.60
    """Earth Engine: Cloud Score+ ``cs_cdf`` below which a pixel is cloud; 0: unused."""
    note: str = ""
    """What a user should know."""
    offers: tuple[Offer, ...] = ()
    """What its provider holds; sources of one address share it."""

    @field_validator("offers", mode="before")
    @classmethod
    def _by_product(cls, given: object) -> object:
        """Take the table of a file, whose keys are products."""
        if isinstance(given, Mapping):
            return [{**entry, "product": name} for name, entry in given.items()]
        return given

    def offer(self, product: str) -> Offer | None:
        """Return what is known of a product; None where nothing is."""
        return next((o for o in self.offers if o.product == product), None)


class LayerAssets(Section):
    """How one collection holds a layer."""

    assets: dict[str, tuple[str, ...]]
    """Asset names of each band, in order of preference."""
    scale: float = 1.0
    """Units per number of the file."""
    offset: float = 0.0
    """Value at number zero, in the layer's unit."""
    nodata: int
    """Number that means nothing is known there."""
    status: str
    """``tested`` on a real item, or ``unverified``: from documentation alone."""


class LayerConfig(Section):
    """A layer that is no reflectance: heights, backscatter, land cover."""

    unit: str
    """Unit of its values; ``1`` for linear power, ``class`` for classes."""
    held_by: str
    """Sources that hold it, in words."""
    source: str
    """Producer and edition."""
    collections: dict[str, LayerAssets]
    """Collections that hold it, by id."""


class ReadConfig(Section):
    """Bounds on reading over a network; none changes a result."""

    concurrent: Annotated[int, Field(ge=1, le=64)] = 16
    """Requests under way at once in one process."""
    tries: Annotated[int, Field(ge=1, le=20)] = 5
    """Tries per request."""
    backoff_s: Annotated[float, Field(gt=0)] = 0.5
    """Pause before the second try; doubled for each one more [s]."""
    connect_s: Annotated[float, Field(gt=0)] = 10.0
    """Longest wait for a connection [s]."""
    idle_s: Annotated[float, Field(gt=0)] = 30.0
    """Longest silence of a server [s]."""
    total_s: Annotated[float, Field(gt=0)] = 300.0
    """Longest time on the network for one file of one tile, tries and all [s]."""
    page_kb: Annotated[int, Field(ge=16, le=4096)] = 256
    """Size of the pages that reads are kept in [KiB]."""
    request_kb: Annotated[int, Field(ge=16, le=16384)] = 1024
    """Neighbouring pages are asked for together up to this [KiB]."""
    whole_mb: Annotated[float, Field(ge=0)] = 8.0
    """Files up to this size whose checksum is known are read whole and checked before
    use; larger ones once all of their pages have been read [MB]."""


class Settings(Section):
    """Places and means; nothing here changes a result."""

    project: Path
    """Folder that holds ``aoi/``, ``config/`` and ``models/``."""
    store: Path
    """Artifact store."""
    workers: Annotated[int, Field(ge=1)] = 2
    """Tiles computed at once."""
    reads: ReadConfig = ReadConfig()
    """Bounds on reading over a network."""


def project_dir() -> Path:
    """Return the folder with ``config/monitor.toml``.

    Looked for in ``QHSINK_HOME``, the working directory and its parents, and the
    clone that this code runs from.

    Raises
    ------
    ConfigError
        When there is no such folder.
    """
    here = Path(__file__).resolve()
    named = os.environ.get("QHSINK_HOME")
    candidates = [Path(named)] if named else [Path.cwd(), *Path.cwd().parents]
    candidates += [] if named else [here.parents[3]]
    for folder in candidates:
        if (folder / "config" / "monitor.toml").is_file():
            return folder
    raise ConfigError(
        f"no config/monitor.toml in {candidates[0]}",
        expected="a qhsink project folder (aoi/, config/, models/)",
        remedy="Run from a clone, or set QHSINK_HOME to its folder.",
    )


def load_settings(*, store: Path | None = None, workers: int = 2) -> Settings:
    """Return the settings of this run; the store defaults to ``work/store``."""
    project = project_dir()
    return Settings(
        project=project,
        store=store or project / "work" / "store",
        workers=workers,
        reads=load_reads(project),
    )


def load_sources(project: Path) -> dict[str, SourceConfig]:
    """Return the sources of ``config/sources.toml`` by name."""
    table = read_toml(project / "config" / "sources.toml")
    found = {
        name: parse_section(SourceConfig, entry, where=f"sources.toml [{name}]")
        for name, entry in table.items()
        if name not in (READS, LAYERS)
    }
    offers = {source.url: source.offers for source in found.values() if source.offers}
    return {
        name: source.model_copy(update={"offers": offers.get(source.url, ())})
        for name, source in found.items()
    }


def load_layers(project: Path) -> dict[str, LayerConfig]:
    """Return the layers of ``[layers]`` in ``config/sources.toml`` by name."""
    table = read_toml(project / "config" / "sources.toml").get(LAYERS, {})
    return {
        name: parse_section(LayerConfig, entry, where=f"sources.toml [{LAYERS}.{name}]")
        for name, entry in table.items()
    }


def load_reads(project: Path) -> ReadConfig:
    """Return the bounds on reading, ``[reads]`` of ``config/sources.toml``.

    They have defaults: neither the table nor the file needs to be there.
    """
    path = project / "config" / "sources.toml"
    table = read_toml(path).get(READS, {}) if path.is_file() else {}
    return parse_section(ReadConfig, table, where=f"sources.toml [{READS}]")
