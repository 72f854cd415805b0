"""What ``run.json`` says of how a run was made: code, request, models, records, keys.

Which numbers came out, and where they are written, belongs to ``publish``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from qhsink import __version__
from qhsink.registry import Model, load_model
from qhsink.registry.residual_fields import residual_record
from qhsink.steps.plan import RunPlan
from qhsink.steps.plan_file import plan_token
from qhsink.steps.target_models import load_target_models
from qhsink.steps.tile_outcome import TileOutcome
from qhsink.store import code_version

SOURCE_PACKAGES = (
    "qhsink.domain", "qhsink.grid", "qhsink.sources", "qhsink.imagery",
    "qhsink.mapping", "qhsink.estimation", "qhsink.indicators", "qhsink.steps",
)  # fmt: skip


def further_models(plan: RunPlan) -> tuple[Model, ...]:
    """Return the models of a run beside that of cover: of ecosystems, of targets."""
    models = load_target_models(plan.setup.config, plan.setup.settings.project)
    return () if models is None else (models.ecosystem, *models.models.values())


def _residual_records(plan: RunPlan) -> dict[str, dict[str, str] | None]:
    """Return the record that errors of each target's totals rest on; None without."""
    project = plan.setup.settings.project
    models = load_target_models(plan.setup.config, project)
    if models is None:
        return {}
    records = {
        target: residual_record(project / "models", model.id, models.ecosystem.id)
        for target, model in models.models.items()
    }
    return {
        target: None if record is None else dataclasses.asdict(record)
        for target, record in records.items()
    }


def run_facts(
    plan: RunPlan, outcomes: Sequence[TileOutcome], generated_at: str
) -> dict[str, Any]:
    """Return how a run was made, JSON-able: enough to compute it again.

    Parameters
    ----------
    generated_at : str
        Time of the run, ISO 8601.
    """
    model = load_model(
        plan.setup.settings.project / "models", plan.setup.config.models.fvc
    )
    return {
        "qhsink": __version__,
        "code": code_version(*SOURCE_PACKAGES),
        "generated_at": generated_at,
        "request": plan.setup.request.to_json(),
        "config_file": plan.setup.config_name,
        "config": plan.setup.config.model_dump(mode="json"),
        "grid": plan.grid.crs.to_wkt(),
        "plan": plan_token(plan),
        "model": {"id": model.id, "digest": model.digest},
        "further_models": {
            further.ensemble.target: {"id": further.id, "digest": further.digest}
            for further in further_models(plan)
        },
        "residual_records": _residual_records(plan),
        "regions": [dataclasses.asdict(region) for region in plan.regions],
        "leaves": plan.leaves.digest,
        "artifacts": {
            f"{o.kind}/{o.tile}": dict(o.keys) or {"error": o.error} for o in outcomes
        },
    }
