"""The training flow: plots or a table in, a new folder in models/ out.

Two coarse tasks that pass a request, never arrays: what lies above the plots is read
into the store, then the model is fitted from it. The same request gives the same
digest as ``qhsink train``. No science and no file format belongs here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.faults import is_transient
from qhsink.config import Settings, load_settings
from qhsink.steps import train as steps
from qhsink.steps.train_request import TrainRequest


# The store is the one cache: Prefect's is off.
@task(
    name="features",
    cache_policy=NO_CACHE,
    retries=1,
    retry_delay_seconds=5,
    retry_condition_fn=is_transient,
)
def read_features(request: dict[str, Any], settings: dict[str, Any]) -> int:
    """Check the table, keep what lies above the plots; return the samples."""
    data = steps.gather(
        TrainRequest.from_json(request),
        Settings(**settings),
        report=get_run_logger().info,
    )
    return len(data.samples.target)


@task(name="model", cache_policy=NO_CACHE)
def fit_model(request: dict[str, Any], settings: dict[str, Any]) -> str:
    """Train, validate, write the folder and the card; return the model's id."""
    made = steps.run_training(
        TrainRequest.from_json(request),
        Settings(**settings),
        report=get_run_logger().info,
    )
    return made.id


@flow(name="train", validate_parameters=False)
def train(
    target: str,
    plots: str | None = None,
    table: str | None = None,
    store: str | None = None,
    workers: int = 2,
    options: dict[str, Any] | None = None,
) -> str:
    """Train a regressor of ``target``; return its id.

    Parameters
    ----------
    target : str
        Id of a target in ``config/model_targets.toml``.
    plots, table : str, optional
        As the options of ``qhsink train``.
    store : str, optional
        Artifact store.
    workers : int
        Blocks read at once.
    options : dict, optional
        Further fields of ``TrainRequest``, such as ``{"source": "earth-search"}``.
    """
    request = TrainRequest(target, plots, table, **(options or {})).to_json()
    places = load_settings(store=Path(store) if store else None, workers=workers)
    settings = places.model_dump(mode="python")
    read_features(request, settings)
    return fit_model(request, settings)
