"""What each provider holds: the table, the page, the terminal, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qhsink.cli.sources import sources as command
from qhsink.config import PRODUCTS, SourceConfig, load_layers, load_sources
from qhsink.domain.errors import SourceError
from qhsink.sources.earthengine_layers import LAYER_PRODUCTS
from qhsink.sources.layer_items import pin_layer
from qhsink.sources.offers import offer_table, providers
from tests.standins.stac_api import StacStandIn, serving

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


@pytest.fixture
def known(project_folder):
    return load_sources(project_folder)


def test_every_provider_says_of_every_product_whether_it_holds_it(known):
    found = providers(known)
    assert set(found) == {"earth-search", "planetary-computer", "cdse", "earth-engine"}
    for source in found.values():
        assert {offer.product for offer in source.offers} == set(PRODUCTS)
        for offer in source.offers:
            assert offer.note if offer.status == "no" else offer.collection


def test_sources_of_one_provider_share_what_it_holds(known):
    assert known["earth-search-c1"].offers == known["earth-search"].offers
    assert not known["demo"].offers


def test_what_is_offered_can_be_searched_and_read(known, project_folder):
    layers = load_layers(project_folder)
    for name, source in providers(known).items():
        for offer in source.offers:
            product = offer.product
            if offer.status == "no" or product not in layers:
                continue
            if source.kind == "earthengine":
                held = [p.collection for p in LAYER_PRODUCTS[product]]
                assert offer.collection.partition(",")[0] in held
            else:
                table = layers[product].collections[offer.collection]
                assert offer.status in (table.status, "unverified"), name


def test_the_page_shows_the_table(known, project_folder):
    page = (project_folder / "docs" / "sources.md").read_text("utf-8")
    _, _, rest = page.partition("<!-- offers: begin -->\n")
    assert rest.partition("\n<!-- offers: end -->")[0] == "\n".join(offer_table(known))


def test_the_terminal_shows_it_without_a_name(monkeypatch, project_folder):
    monkeypatch.setenv("QHSINK_HOME", str(project_folder))
    done = CliRunner().invoke(command, ["check"])
    assert done.exit_code == 0, done.output
    assert "cdse  https://stac.dataspace.copernicus.eu/v1" in done.output
    assert "unverified 未核实  cop-dem-glo-30-dged-cog" in done.output


@pytest.mark.parametrize(
    ("name", "layer", "said"),
    [
        ("cdse", "backscatter", "no slopes corrected"),
        ("cdse", "landcover", "no such collection"),
        ("earth-search", "backscatter", "no slopes corrected"),
    ],
    ids=lambda value: value,
)
def test_what_a_provider_lacks_is_refused_before_it_is_asked(
    known, project_folder, name, layer, said
):
    with pytest.raises(SourceError, match=said) as told:
        pin_layer(known[name], layer, project=project_folder, bbox=EVERYWHERE)
    assert "Name one: planetary-computer" in str(told.value)
    assert "\n" not in str(told.value)


def test_heights_of_cdse_are_read_under_their_collection_and_alternate_address(
    known, project_folder, tmp_path
):
    """As its items are described: s3 addresses, with https beside them."""
    name = "Copernicus_DSM_COG_10_N36_00_E100_00_DEM"
    folder = tmp_path / "archive" / name
    folder.mkdir(parents=True)
    (folder / "a.tif").write_bytes(b"II*\0 not read here")
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": name,
        "collection": "cop-dem-glo-30-dged-cog", "bbox": [100, 36, 101, 37],
        "geometry": None, "links": [],
        "properties": {"datetime": "2021-04-22T00:00:00Z"},
        "assets": {"data": {"href": "./a.tif"}},
    }  # fmt: skip
    (folder / f"{name}.json").write_text(json.dumps(item))
    with serving(StacStandIn(tmp_path / "archive", checksums=False)) as service:
        plain = service._dressed

        def in_s3(place, doc):
            dressed = plain(place, doc)
            for asset in dressed["assets"].values():
                asset["alternate"] = {"https": {"href": asset["href"]}}
                asset["href"] = "s3://eodata/auxdata/" + Path(asset["href"]).name
            return dressed

        service._dressed = in_s3
        source = SourceConfig(
            kind="api", url=service.url, alternate="https",
            offers=known["cdse"].offers,
        )  # fmt: skip
        found = pin_layer(source, "elevation", project=project_folder, bbox=EVERYWHERE)
    (file,) = found[0].files
    assert file.href.startswith(service.url)
    assert (file.nodata, file.scale, file.offset) == (-32767, 1.0, 0.0)
