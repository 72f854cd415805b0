"""Simulated worlds to train and to judge on: ``config/train_twin.toml``.

Simulating them is ``qhsink.twin``'s, reading their pixels ``steps.twin_pixels``'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from qhsink.config.parsing import Section, parse_section, read_toml
from qhsink.config.places import project_dir
from qhsink.domain.errors import ConfigError

DEMO_SEED = 2025
"""World of the demonstration archive: nothing may be trained or judged on it."""


SIX_BANDS = "six_bands"
"""Entry of the features that the six bands alone give."""


class TwinTraining(Section):
    """Worlds to train and to judge on."""

    train_seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    """Seeds of the worlds that models learn from."""
    test_seeds: tuple[int, ...]
    """Seeds of the worlds they are judged on."""
    year: int
    """Year of the scenes."""
    pixel_size_m: Annotated[float, Field(gt=0)]
    """Edge of a pixel [m]."""
    square_m: Annotated[float, Field(gt=0)]
    """Edge of a square [m]."""
    every: Annotated[int, Field(ge=1)]
    """Pixels are taken in every so many rows and columns."""
    samples: Annotated[int, Field(ge=200)]
    """Training pixels of a target."""
    land_samples: Annotated[int, Field(ge=300)]
    """Training pixels of the classifier, of all ecosystems together."""
    regions: Annotated[tuple[str, ...], Field(min_length=1)]
    """Real regions that squares are cut out of."""
    drawn: Annotated[int, Field(ge=1)] | None = None
    """Squares of a world at places drawn for it; None: one around a point inside each
    region, the same in every world."""
    within_m: Annotated[float, Field(gt=0)] | None = None
    """Edge of a landscape drawn for a world, which its drawn squares lie in [m]; None:
    each lies in a region of its own."""
    features: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    """Features of each target's model and of the classifier; ``six_bands`` are those
    of a target that is not named."""

    def features_of(self, target: str) -> tuple[str, ...]:
        """Return the features that a target's model is trained with."""
        return self.features.get(target, self.features[SIX_BANDS])


def load_twin_training(path: Path | None = None) -> TwinTraining:
    """Return the worlds in ``path``, or in the project's ``config/train_twin.toml``.

    Raises
    ------
    ConfigError
        When a key is wrong, or one world is for two purposes.
    """
    path = path or project_dir() / "config" / "train_twin.toml"
    spec = parse_section(TwinTraining, read_toml(path), where=path.name)
    seeds = (*spec.train_seeds, *spec.test_seeds, DEMO_SEED)
    if SIX_BANDS not in spec.features:
        raise ConfigError(
            f"{path.name}: [features] without {SIX_BANDS}",
            expected="the features of a target that has none of its own",
            remedy=f"Add {SIX_BANDS} = [...].",
        )
    if len(set(seeds)) < len(seeds):
        raise ConfigError(
            f"{path.name}: seeds {', '.join(map(str, seeds))} (the last: the "
            "demonstration's)",
            expected="other worlds for training, for judging and for the demonstration",
            remedy="Change the seed that stands twice.",
        )
    return spec
