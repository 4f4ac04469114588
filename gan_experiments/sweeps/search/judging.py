"""What a sweep's runs are judged by while it chooses or prunes."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from gan_experiments.reports.goals import find_goals, metrics_of
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.search.lengths import telling


def goals_for(config: DictConfig, jobs: Sequence[Sequence[str]]) -> dict[str, RankingMetric]:
    """Return what a sweep's runs are judged by: metrics that all of them will have.

    Args:
        config: Hydra's configuration of the sweep.
        jobs: Its jobs, or some that show all that may be chosen.

    Raises:
        UserError: They will not have what is asked for.
    """
    different = {telling(job): job for job in jobs}
    kinds: dict[str, list[str]] = {}
    for cfg in plan.compose(config, [*different.values()]):
        kind = OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, ["data", "evaluate"]), resolve=True)
        if kind not in kinds:
            kinds[kind] = metrics_of(cfg)
    first, *others = kinds.values()
    settings = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(settings, dict)
    shared = [name for name in first if all(name in names for names in others)]
    return find_goals(settings["metric"], settings.get("direction"), shared)
