"""What a trial of the intervals tried: how many worlds, how large, with which plots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TargetTrial:
    """What was tried where every target is mapped."""

    worlds: int
    square_km: float
    """Edge of a square [km]."""
    part_km: float
    """Edge of a unit whose sink is graded [km]."""
    pixel_m: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried."""

    worlds: int
    failed: int
    """Worlds that gave nothing."""
    regions: tuple[str, ...]
    lie: str | None
    lie_worlds: int
    """Worlds of each lie that were tried beside."""
    square_km: float
    """Edge of a square [km]."""
    part_km: float
    """Edge of a sub-region [km]."""
    plots: int
    """Plots of a campaign in a square."""
    tracks: int
    """Lidar tracks across a square."""
    campaigns: int
    """Independent campaigns of each kind in a square."""
    further_campaigns: int
    """... of the kinds tried beside them."""
    label_plots: int
    """Plots of a campaign for what is rare."""
    pixel_m: float
    targets: TargetTrial
    """The worlds in which every target is mapped."""
    code: str
    """Digest of the code that was tried."""

    @property
    def sizes(self) -> dict[str, str]:
        """Names of the region sizes."""
        count, small = len(self.regions), self.targets
        return {
            "part": f"{self.part_km**2:,.0f} km²",
            "square": f"{self.square_km**2:,.0f} km²",
            "all": f"{count * self.square_km**2:,.0f} km² in {count}",
            "target part": f"{small.part_km**2:.3g} km²",
            "target square": f"{small.square_km**2:,.0f} km²",
            "target squares": f"{count * small.square_km**2:,.0f} km² in {count}",
        }
