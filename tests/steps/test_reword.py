"""Words of a card again: numbers, weights, digest and pictures stay."""

from __future__ import annotations

import shutil

import pytest

from qhsink.config import load_run_config
from qhsink.domain.errors import ModelError
from qhsink.registry import check_model
from qhsink.steps.reword import reword_model


@pytest.fixture
def copied(project_folder, tmp_path):
    """A copy of the shipped cover model."""
    config = load_run_config(project_folder / "config" / "demo.toml")
    model_id = config.models.fvc
    shutil.copytree(project_folder / "models" / model_id, tmp_path / model_id)
    return tmp_path, model_id


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_shipped_cards_have_the_words_of_today(copied, project_folder):
    """The page holds its style too, which may change without its words."""
    folder, model_id = copied
    assert "card.md" not in reword_model(folder, model_id, project=project_folder)
    assert reword_model(folder, model_id, project=project_folder) == ()


def test_old_words_are_replaced_and_nothing_else_is(copied, project_folder):
    folder, model_id = copied
    reword_model(folder, model_id, project=project_folder)
    whole = files_of(folder / model_id)
    text = (folder / model_id / "card.md").read_text()
    (folder / model_id / "card.md").write_text(text.replace("## Data", "## Old"))
    page = (folder / model_id / "card.html").read_text()
    (folder / model_id / "card.html").write_text(page.replace("<h2>Data", "<h2>Old"))
    with pytest.raises(ModelError, match=r"card\.md differs"):
        check_model(folder, model_id)
    found = reword_model(folder, model_id, project=project_folder)
    assert set(found) == {"card.md", "card.html"}
    assert files_of(folder / model_id) == whole
    check_model(folder, model_id)


def test_a_page_without_its_pictures_is_not_made_poorer(copied, project_folder):
    folder, model_id = copied
    path = folder / model_id / "card.html"
    path.write_text(path.read_text().replace('alt="', 'alt="unknown '))
    with pytest.raises(ModelError, match="Train the model again"):
        reword_model(folder, model_id, project=project_folder)
