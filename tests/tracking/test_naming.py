from __future__ import annotations

import pytest

from gan_experiments.tracking.naming import run_name


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["model.latent_dim=64", "train.lr=2e-4", "seed=1"], "latent_dim=64 lr=0.0002 seed=1"),
        (["data=mnist", "model=mlp_small"], "data=mnist model=mlp_small"),
        (["model.generator_widths=[8,16]"], "generator_widths=[8,16]"),
        (["data.name=a", "model.name=b"], "data.name=a model.name=b"),
        (["seed=1", "train.lr=1e-3", "seed=2"], "lr=0.001 seed=2"),
        (["+experiment=article", "train.ema=null"], "experiment=article ema=null"),
        (["objective@thing=minimax"], "objective=minimax"),
        (["train.lr=1", "train.betas=[0.5,0.9]"], "lr=1 betas=[0.5,0.9]"),
    ],
)
def test_a_name_says_what_is_special(overrides: list[str], name: str) -> None:
    assert run_name(overrides, "digits") == name


@pytest.mark.parametrize(
    "override",
    ["tracking=off", "tracking.uri=http://127.0.0.1:5000", "train.resume=auto", "data.root=/data", "device=cpu"],
)
def test_how_a_run_is_watched_does_not_make_it_special(override: str) -> None:
    assert run_name([override], "digits") == "digits"


def test_a_name_is_no_longer_than_mlflow_takes() -> None:
    name = run_name([f"a.key{i}={i}" for i in range(100)], "digits")
    assert len(name) == 250
    assert name.endswith("…")
