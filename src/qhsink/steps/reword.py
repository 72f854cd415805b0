"""The words of a model's card again, after the wording changed.

Numbers, weights and digest stay: ``card.md`` and the page are made of ``card.json``,
and the page keeps the pictures that it has. Loading and saving are ``registry``'s.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

from qhsink.config import load_model_targets
from qhsink.domain.errors import ModelError
from qhsink.mapping.card import render_card
from qhsink.registry import load_model
from qhsink.registry.folders import CARD_TEXT
from qhsink.reporting.model_card import CAPTIONS, TargetWords, render_model_page
from qhsink.reporting.wording import Words
from qhsink.steps.train import PAGE

_FIGURE = re.compile(
    r'<img src="data:image/png;base64,([A-Za-z0-9+/=]+)" alt="([^"/]+) /'
)
"""A picture of the page, and its title in Chinese."""


def reword_model(models: Path, model_id: str, *, project: Path) -> tuple[str, ...]:
    """Write the words of a model's card again; return the files that changed.

    Parameters
    ----------
    models : Path
        Folder of models.
    model_id : str
        Exact id.
    project : Path
        Where targets are declared.

    Raises
    ------
    ModelError
        When the model is damaged, or its page has other pictures than it should.
    """
    model = load_model(models, model_id)
    folder = models / model_id
    text = render_card(model.card)
    files = {CARD_TEXT: text}
    page = folder / PAGE
    if page.is_file():
        target = load_model_targets(project).get(model.ensemble.target)
        words = TargetWords(Words(target.name_zh, target.name_en), target.unit)
        pictures = _pictures(page.read_text(encoding="utf-8"), model_id)
        files[PAGE] = render_model_page(model.card, text, pictures, words)
    changed = []
    for name, content in files.items():
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        aside = path.with_name(f".{name}-new")
        aside.write_text(content, encoding="utf-8")
        aside.replace(path)
        changed.append(name)
    return tuple(changed)


def _pictures(page: str, model_id: str) -> dict[str, bytes]:
    """Return the pictures of a page, by name."""
    titles = {words.zh: name for name, (words, _) in CAPTIONS.items()}
    found = {title.strip(): data for data, title in _FIGURE.findall(page)}
    if not found or set(found) - set(titles) or len(found) != page.count("<img "):
        raise ModelError(
            f"{model_id}/{PAGE} with pictures {', '.join(found) or 'unknown'}",
            expected=f"some of {', '.join(titles)}",
            remedy="Train the model again: the page cannot be made of this one.",
        )
    return {titles[title]: base64.b64decode(data) for title, data in found.items()}
