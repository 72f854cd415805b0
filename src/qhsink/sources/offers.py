"""Which provider holds which product, and on what that rests, as tables for people.

What is known is ``offers`` in ``config/sources.toml``; nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qhsink.config import PRODUCTS, Offer, SourceConfig

SIGNS = {"tested": "yes 有", "unverified": "unverified 未核实", "no": "— 无"}
"""What a cell says."""


def providers(sources: Mapping[str, SourceConfig]) -> dict[str, SourceConfig]:
    """Return the first source of each provider that says what it holds."""
    found: dict[str, SourceConfig] = {}
    for name, source in sources.items():
        known = {other.url for other in found.values()}
        if source.offers and source.url not in known:
            found[name] = source
    return found


def offer_lines(source: SourceConfig) -> Iterator[str]:
    """Yield one line per product of a source's provider."""
    for product, title in PRODUCTS.items():
        offer = source.offer(product)
        if offer is not None:
            said = ", ".join(part for part in (offer.collection, offer.note) if part)
            yield f"{title:<22}{SIGNS[offer.status]}  {said}".rstrip()


def offer_table(sources: Mapping[str, SourceConfig]) -> Iterator[str]:
    """Yield the table of providers and products in Markdown."""
    found = providers(sources)
    yield f"| product | {' | '.join(found)} |"
    yield "|---|" + "---|" * len(found)
    for product, title in PRODUCTS.items():
        cells = [_cell(source.offer(product)) for source in found.values()]
        yield f"| {title} | {' | '.join(cells)} |"


def _cell(offer: Offer | None) -> str:
    if offer is None:
        return "not known"
    return offer.status if offer.status != "no" else f"no: {offer.note}"
