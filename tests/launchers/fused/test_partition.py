from __future__ import annotations

import math

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gan_experiments.configuration import store
from gan_experiments.configuration.compose import compose
from gan_experiments.launchers.fused.partition import chunks, structure


def of(*overrides: str) -> str:
    return structure(OmegaConf.to_container(compose(overrides), resolve=True))


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "train.epochs=3",
        "train.checkpoint_every=1",
        "train.lr=1e-3",
        "train.generator_lr=1e-3",
        "train.discriminator_lr=1e-3",
        "train.betas=[0.5,0.9]",
        "train.weight_decay=0.1",
        "train.momentum=0.9",
        "train.instance_noise=0.1",
        "train.instance_noise_epochs=3",
        "train.instance_noise_final=0.1",
        "train.schedule=step",
        "train.schedule_epochs=3",
        "train.warmup_epochs=1",
        "train.lr_final=0.1",
        "train.step_epochs=3",
        "train.step_gamma=0.5",
        "train.beta2_final=0.9",
        "train.ema_final=0.9",
        "train.penalty_final=0.1",
        "train.resume=auto",
        "model.latent_dim=3",
        "model.generator_widths=[1,2,3]",
        "model.discriminator_widths=[3,2,1]",
        "model.negative_slope=0.1",
        "model.dropout=0",
        "tracking.run_name=mine",
        "+tracking.tags.colour=red",
        "fused.max_members=3",
        "fused.slots=3",
    ],
)
def test_values_may_differ(override: str) -> None:
    assert of(override) == of()


@pytest.mark.parametrize(
    "override",
    [
        "data=ring",
        "data.image_size=32",
        "model.generator_widths=[1,2]",
        "model.discriminator_widths=[1,2]",
        "objective=minimax",
        "penalty=r1",
        "augment=diffaugment",
        "train.batch_size=3",
        "train.discriminator_steps=2",
        "train.precision=bf16",
        "train.engine=eager",
        "train.ema=null",
        "train.optimizer=sgd",
        "tracking=off",
        "tracking.sample_every=1",
        "device=cpu",
    ],
)
def test_structure_may_not(override: str) -> None:
    assert of(override) != of()


def test_convolutions_may_differ_in_sizes_slope_and_dropout() -> None:
    dcgan = ("model=dcgan", "data.image_size=32")
    sizes = ("model.latent_dim=3", "model.generator_widths=[8,4]", "model.discriminator_widths=[4,8]")
    assert of(*dcgan) == of(*dcgan, *sizes, "model.negative_slope=0.1", "model.dropout=0.1")
    assert of(*dcgan) != of(*dcgan, "model.spectral_norm=true")
    assert of(*dcgan) != of(*dcgan, "model.generator_widths=[8]")


def test_the_decay_of_an_average_may_differ() -> None:
    assert of("train.ema=0.9") == of("train.ema=0.99")


def test_coefficients_may_differ() -> None:
    one = ("objective=least_squares", "penalty=r1")
    assert of(*one) == of(*one, "objective.real_target=0.9", "penalty.weight=3")
    assert of("augment=diffaugment") == of("augment=diffaugment", "augment.probability=0", "augment.cutout=0.3")


def test_a_thousand_runs_train_as_one() -> None:
    """250 settings with four seeds each; whatever they vary, they share one structure."""
    store.register()
    params = yaml.safe_load((store.CONFIG_DIR / "sweep" / "thousand.yaml").read_text())["hydra"]["sweeper"]["params"]
    parser = OverridesParser.create()
    sweeps = parser.parse_overrides([f"{key}={values}" for key, values in params.items()])
    choices = [list(sweep.sweep_string_iterator()) for sweep in sweeps]
    assert math.prod(map(len, choices)) == 1000
    assert len(choices[-1]) == 4
    one = of("+sweep=thousand")
    for key, values in zip(params, choices, strict=True):
        assert {of("+sweep=thousand", f"{key}={value}") for value in values} == {one}


def test_of_other_networks_nothing_is_known() -> None:
    own = "model._target_=mine.build"
    assert of(own) != of(own, "model.latent_dim=3")
    assert of(own) == of(own, "train.lr=1e-3")


def test_parts_are_few_and_even() -> None:
    assert chunks(range(10), 4) == [range(0, 3), range(3, 6), range(6, 10)]
    assert chunks(range(4), 4) == [range(0, 4)]
    assert chunks(range(3), 1) == [range(0, 1), range(1, 2), range(2, 3)]
