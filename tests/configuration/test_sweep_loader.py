"""A sweep's jobs are composed once and varied, and are what Hydra composes one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.hydra_internals import _search_path, job_files, own_globals
from gan_experiments.configuration.sweep_loader import SweepLoader, copier

TYPED = ["data=ring", "hydra/launcher=fused", "train.betas=[0.5,0.9]", "train.lr=1e-4,1e-3", "seed=range(4)"]


@pytest.fixture(scope="module")
def loaders() -> Iterator[tuple[DictConfig, ConfigLoaderImpl, SweepLoader]]:
    """The sweep's own configuration, Hydra's loader, and ours."""
    with own_globals():
        store.register()
        theirs = Hydra.create_main_hydra2("run", _search_path(store.CONFIG_DIR, None)).config_loader
        assert isinstance(theirs, ConfigLoaderImpl)
        sweep = theirs.load_configuration("config", TYPED, RunMode.MULTIRUN)
        yield sweep, theirs, SweepLoader(theirs.get_search_path())


@pytest.mark.parametrize(
    "job",
    [
        ["data=ring", "train.betas=[0.5,0.9]", "train.lr=0.001", "seed=3"],
        ["train.betas=[0.5,0.9]", "data=ring", "train.betas=[0.1,0.9]"],  # the last of several settles it
        ["train.betas=[0.1,0.9]", "data=ring", "train.betas=[0.5,0.9]"],
        ["data=grid", "model=dcgan", "model.latent_dim=16", "seed=1"],
        ["+experiment@_global_=ring", "seed=1"],
        ["+tracking.tags={a: b}", "seed=1"],
        ["~experiment", "seed=1"],
        ["seed=1", "hydra.job.name=other"],
        ["tracking.run_name='lr=${train.lr}'", "train.lr=0.5"],
    ],
    ids=" ".join,
)
def test_a_job_is_what_hydra_composes(
    loaders: tuple[DictConfig, ConfigLoaderImpl, SweepLoader], job: list[str]
) -> None:
    sweep, theirs, ours = loaders
    ours.load_sweep_config(sweep, ["data=ring", "train.betas=[0.5,0.9]", "train.lr=0.1", "seed=0"])
    expected = theirs.load_sweep_config(sweep, list(job))
    for found in (ours.load_sweep_config(sweep, list(job)) for _ in range(2)):
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)
        assert list(_nodes(found)) == list(_nodes(expected))


@pytest.mark.parametrize(
    "job",
    [["train.nope=3"], ["train.lr=x"], ["seed=1,2"], ["~train.ema"], ["data=nope"], ["seed=1", "fused={a: 1}"]],
    ids=" ".join,
)
def test_what_hydra_refuses_is_refused_in_its_words(
    loaders: tuple[DictConfig, ConfigLoaderImpl, SweepLoader], job: list[str]
) -> None:
    sweep, *both = loaders
    errors = []
    for loader in both:
        with pytest.raises(ConfigCompositionException) as refused:
            loader.load_sweep_config(sweep, list(job))
        errors.append((str(refused.value), str(refused.value.__cause__)))
    assert errors[0] == errors[1]


def test_jobs_do_not_share_what_one_of_them_changes(
    loaders: tuple[DictConfig, ConfigLoaderImpl, SweepLoader],
) -> None:
    sweep, _, ours = loaders
    job = ["data=ring", "train.lr=0.1", "seed=0"]
    ours.load_sweep_config(sweep, job).train.betas.clear()
    assert len(ours.load_sweep_config(sweep, job).train.betas) == 2


def _nodes(node: Any, path: str = "") -> Iterator[tuple[Any, ...]]:
    """Yield path, types and flags of everything in a configuration."""
    data = node._metadata
    yield path, type(node), data.ref_type, data.object_type, data.optional, data.flags
    if isinstance(node, DictConfig) and not (node._is_none() or node._is_missing() or node._is_interpolation()):
        for key in node:
            yield from _nodes(node._get_node(key), f"{path}.{key}")


def test_the_files_of_a_job_are_those_that_hydra_writes(
    loaders: tuple[DictConfig, ConfigLoaderImpl, SweepLoader],
) -> None:
    sweep, theirs, _ = loaders
    job = ["tracking.run_name='1e-3 ü: x'", "+tracking.tags={a: 'on', b: '007', c: \"two\\nlines\"}", "seed=1"]
    config = theirs.load_sweep_config(sweep, job)
    task, own = (
        OmegaConf.masked_copy(config, keys) for keys in ([str(key) for key in config if key != "hydra"], "hydra")
    )
    expected = (task, own, config.hydra.overrides.task)
    assert list(job_files(config).values()) == [OmegaConf.to_yaml(part) for part in expected]
    assert list(job_files(config)) == ["config.yaml", "hydra.yaml", "overrides.yaml"]


def test_the_loader_travels_without_what_it_has_composed(
    loaders: tuple[DictConfig, ConfigLoaderImpl, SweepLoader],
) -> None:
    sweep, theirs, _ = loaders
    ours = SweepLoader(theirs.get_search_path())
    new = cloudpickle.dumps(ours)  # as launchers do
    job = ["data=ring", "train.lr=0.1", "seed=0"]
    expected = ours.load_sweep_config(sweep, job)
    assert len(cloudpickle.dumps(ours)) < 1.1 * len(new)  # composed options are several times as much
    # Not loaded here: where another test had Hydra load its plugins anew, that would change their classes.
    there = copy.copy(ours)
    assert OmegaConf.to_yaml(there.load_sweep_config(sweep, job)) == OmegaConf.to_yaml(expected)


def test_copies_of_what_cannot_be_pickled_are_made_too() -> None:
    @dataclass
    class Local:
        widths: list[int] = field(default_factory=lambda: [8])

    config = OmegaConf.create({"model": Local()})
    copies = copier(config)
    copies().model.widths.append(9)
    assert copies().model.widths == [8]
