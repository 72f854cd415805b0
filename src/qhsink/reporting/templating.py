"""Where every page's template comes from, and the style that pages share.

What a page says, and how, is its own module's.
"""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup


def page_environment() -> jinja2.Environment:
    """Return templates that escape what they are given and refuse what is undefined."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("qhsink.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_style() -> Markup:
    """Return the style sheet of the pages, as it stands in them."""
    path = Path(__file__).parent / "templates" / "page.css"
    return Markup(path.read_text(encoding="utf-8"))  # noqa: S704 - our own file
