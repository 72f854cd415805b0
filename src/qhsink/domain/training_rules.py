"""What is tried when a training chooses its own settings; figures are configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qhsink.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class TrainingRules:
    """The grid of settings that folds choose from: ``config/training.toml``.

    Raises
    ------
    BadInput
        When the grid is empty or names what cannot be fitted.
    """

    search: bool
    """Whether a training chooses where it is not told."""
    hidden: tuple[tuple[int, ...], ...]
    """Widths of the hidden layers, one tuple for each candidate."""
    penalty: tuple[float, ...]
    """L2 penalties."""
    members: int
    """Members fitted for each candidate in each fold; at least 2."""
    status: str
    """Standing of the numbers: ``proposal`` until others have judged them."""
    features: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Features by target, where a training does not name them; a target that is not
    here has those of the shipped model of cover."""

    def __post_init__(self) -> None:
        widths = [width for layers in self.hidden for width in layers]
        if (
            not all(self.hidden)
            or not widths
            or min(widths) < 1
            or min(self.penalty, default=-1.0) < 0.0
            or self.members < 2
        ):
            raise BadInput(
                f"a search over {self.hidden} and {self.penalty} with {self.members} "
                "members",
                expected="sizes of one unit and more, penalties of zero and above, and "
                "at least two members",
                remedy="Correct config/training.toml.",
            )
