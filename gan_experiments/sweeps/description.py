"""What is written down of a sweep when it opens: ``sweep.json``."""

from __future__ import annotations

import sys
import uuid
from datetime import datetime
from typing import Any

from omegaconf import DictConfig

from gan_experiments.configuration.override import listed
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.search.plan import has_pruner, is_optuna, is_pruned_grid, space
from gan_experiments.tracking.naming import shortest

_ALL_PICTURES = 16
"""Runs up to which a sweep has all pictures drawn: those of one take longer than a small run's training."""


def describe(
    config: DictConfig, varied: dict[str, str], jobs: list[list[str]], uri: str | None, tracking: DictConfig
) -> dict[str, Any]:
    """Return sweep.json of a new sweep, but for what it searches.

    Args:
        config: Hydra's configuration of the sweep.
        varied: Key and values of what varies.
        jobs: Overrides of each job.
        uri: The destination, checked.
        tracking: The group of its first run.
    """
    now = datetime.now()
    subject = " x ".join(shortest(list(varied))) or "sweep"
    sources = config.hydra.runtime.config_sources
    return {
        # Two sweeps of the same kind may start in the same second, and each must be found by its name.
        "name": f"{subject} {now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d}",
        "nonce": uuid.uuid4().hex,
        "experiment": tracking.experiment,
        "uri": uri,
        "pictures": _pictures(tracking.pictures, _length(config, jobs)),
        "run_id": None,
        "started": round(now.timestamp() * 1000),
        "varied": varied,
        "jobs": None if plan.is_search(config) else jobs,
        "overrides": {kind: listed(config.hydra.overrides[kind]) for kind in ("hydra", "task")},
        "config_dir": next((source.path for source in sources if source.provider == "command-line"), None),
    }


def _length(config: DictConfig, jobs: list[list[str]]) -> int:
    """Return how many runs a sweep will have."""
    if not plan.is_search(config):
        return len(jobs)
    return config.hydra.sweeper.get("n_trials") or sys.maxsize  # of another project's sweeper nothing is known


def _pictures(asked: str, runs: int) -> str:
    """Return which pictures a sweep's runs have drawn while nobody asks: all, or the last alone."""
    return ("all" if runs <= _ALL_PICTURES else "last") if asked == "auto" else asked


def how_it_searches(config: DictConfig, jobs: list[list[str]], has_slots: bool) -> dict[str, Any]:
    """Return what a search is judged by, and how a sweep prunes; None for what it does not do."""
    if not is_optuna(config) and not is_pruned_grid(config):
        return {"search": None}
    from gan_experiments.reports.goals import directions
    from gan_experiments.sweeps.search import grid, pruning
    from gan_experiments.sweeps.search.judging import goals_for

    goals, found = goals_for(config, jobs), {}
    if is_optuna(config):
        places = min(config.hydra.sweeper.n_jobs, pruning.places(config, len(space(config).seeds)))
        found["search"] = {"metrics": list(goals), "directions": directions(goals)}
        if has_slots:
            found["search"]["places"] = places
    else:
        places = pruning.places(config, max(map(len, grid.seeds_of(jobs))))
        found["search"] = None
    if has_pruner(config):
        found["pruning"] = pruning.as_json(pruning.describe(config, jobs, goals, places))
    return found
