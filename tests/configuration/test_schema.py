from __future__ import annotations

from pathlib import Path

import pytest

from gan_experiments.configuration.compose import CONFIG_DIR, compose
from gan_experiments.configuration.validation import validate
from tests.support.configurations import plain

ARTICLE_MODEL = {
    "_target_": "gan_experiments.models.mlp.build",
    "name": "mlp",
    "latent_dim": 100,
    "generator_widths": [256, 512, 1024],
    "discriminator_widths": [1024, 512, 256],
    "negative_slope": 0.2,
    "dropout": 0.3,
    "generator_gain": 1.0,
    "spectral_norm": False,
    "condition": "none",
    "auxiliary_weight": 1.0,
}
ARTICLE_TRAIN = {
    "epochs": 100,
    "batch_size": 52,
    "lr": 2e-4,
    "generator_lr": None,
    "discriminator_lr": None,
    "optimizer": "adam",
    "betas": [0.9, 0.999],
    "weight_decay": 0.0,
    "momentum": 0.0,
    "schedule": "constant",
    "schedule_epochs": None,
    "warmup_epochs": 0.0,
    "lr_final": 0.0,
    "step_epochs": None,
    "step_gamma": 0.1,
    "beta2_final": None,
    "penalty_final": None,
    "discriminator_steps": 1,
    "precision": "fp32",
    "engine": "auto",
    "ema": None,
    "ema_final": None,
    "instance_noise": 0.0,
    "instance_noise_epochs": None,
    "instance_noise_final": None,
    "checkpoint_every": 5,
    "early_stop": [],
    "stop_at": {},
    "keep_best": False,
    "keep_checkpoints": None,
    "start_from": None,
    "resume": None,
}


def test_article_is_the_tutorial_value_by_value() -> None:
    article = plain("experiment=article")
    assert article["data"]["name"] == "mnist"
    assert article["data"]["image_size"] == 28
    assert article["model"] == ARTICLE_MODEL
    assert article["objective"]["name"] == "non_saturating"
    assert article["objective"]["label_smoothing"] == 0
    assert article["penalty"]["name"] == "none"
    assert article["train"] == ARTICLE_TRAIN


def test_by_default_the_article_objective_is_trained_by_a_quick_recipe_on_digits() -> None:
    article, default = plain("experiment=article"), plain()
    assert [default[group]["name"] for group in ("data", "model")] == ["digits", "mlp_medium"]
    assert plain("data=mnist", "model=mlp", "train=article") == article
    assert default["objective"] == article["objective"]


@pytest.mark.parametrize("name", sorted(file.stem for file in CONFIG_DIR.glob("experiment/*.yaml")))
def test_recipes_name_no_key_that_only_some_data_have(name: str) -> None:
    for data in {"colour": ("emoji", "svhn")}.get(name, ("digits", "mnist", "ring")):  # its networks halve 32 pixels
        validate(compose([f"experiment={name}", f"data={data}", "model.latent_dim=2"]))


@pytest.mark.parametrize(
    "option", sorted(str(file.relative_to(CONFIG_DIR).with_suffix("")) for file in CONFIG_DIR.glob("*/*.yaml"))
)
def test_every_option_makes_a_valid_experiment(option: str) -> None:
    needs = {
        "data/image_folder": ["data.root=pictures"],
        "data/arrays": ["data.root=images.npz"],
        "tracking/server": ["tracking.uri=http://127.0.0.1:5000"],
    }
    group, _, name = option.partition("/")
    added = "+" if group == "sweep" else ""  # there is none by default
    validate(compose([f"{added}{group}={name}", *needs.get(option, [])]))


def test_every_option_says_what_it_is() -> None:
    for file in CONFIG_DIR.glob("*/*.yaml"):
        assert file.read_text(encoding="utf-8").startswith("#"), file


def test_tracking_off_has_no_destination() -> None:
    assert plain("tracking=off")["tracking"]["uri"] is None


def test_the_configuration_lies_beside_the_package() -> None:
    assert Path(__file__).parents[2] / "conf" == CONFIG_DIR
