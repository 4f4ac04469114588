from __future__ import annotations

import re
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.validation import validate
from gan_experiments.errors import UserError

_NOT_POSITIVE = ["0", "-1", "nan", "inf"]
_NOT_COUNTS = ["0", "-1"]
_NOT_WIDTHS = ["[]", "[8,0]", "[-8]"]
OUT_OF_RANGE = {
    "data.image_size": _NOT_COUNTS,
    "device": ["gpu", "cuda:x", "cuda:-1", "CPU", "''"],
    "model.discriminator_widths": _NOT_WIDTHS,
    "model.dropout": ["-0.1", "1", "2", "nan"],
    "model.generator_widths": _NOT_WIDTHS,
    "model.latent_dim": _NOT_COUNTS,
    "model.negative_slope": ["nan", "inf", "-inf"],
    "seed": ["-1", str(2**31)],
    "tracking.log_every": _NOT_COUNTS,
    "tracking.sample_every": _NOT_COUNTS,
    "tracking.samples": _NOT_COUNTS,
    "tracking.pictures": ["some", "''"],
    "tracking.timeout": ["-1", "nan", "inf"],
    "train.batch_size": _NOT_COUNTS,
    "train.betas": ["[]", "[0.5]", "[0.5,0.9,0.9]", "[1,0.9]", "[0.5,-0.1]", "[nan,0.9]"],
    "train.checkpoint_every": _NOT_COUNTS,
    "train.discriminator_lr": _NOT_POSITIVE,
    "train.discriminator_steps": _NOT_COUNTS,
    "train.ema": ["0", "1", "-1", "nan"],
    "train.epochs": _NOT_COUNTS,
    "train.generator_lr": _NOT_POSITIVE,
    "train.lr": _NOT_POSITIVE,
    "train.momentum": ["-0.1", "1", "nan"],
    "train.optimizer": ["Adam", "optimizer", "''"],
    "train.precision": ["fp16", "FP32", "''"],
    "train.weight_decay": ["-0.1", "nan", "inf"],
}


@pytest.fixture(scope="module")
def defaults() -> DictConfig:
    return compose()


def changed(cfg: DictConfig, override: str) -> DictConfig:
    merged = OmegaConf.merge(cfg, OmegaConf.from_dotlist([override]))
    assert isinstance(merged, DictConfig)
    return merged


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in OUT_OF_RANGE.items() for value in values])
def test_out_of_range(key: str, value: str, defaults: DictConfig) -> None:
    with pytest.raises(UserError, match=rf"^{re.escape(key)}=.*: must be ") as error:
        validate(changed(defaults, f"{key}={value}"))
    assert "\n" not in str(error.value)
    assert value.strip("[]'").split(",")[0] in str(error.value)


@pytest.mark.parametrize(
    "override",
    [
        "model.latent_dim=1",
        "model.generator_widths=[1]",
        "model.dropout=0",
        "model.dropout=0.99",
        "model.negative_slope=-3",
        "train.epochs=1",
        "train.lr=1e-9",
        "train.generator_lr=null",
        "train.betas=[0,0]",
        "train.ema=0.999",
        "seed=0",
        f"seed={2**31 - 1}",
        "device=cuda:3",
        "tracking.timeout=0",
    ],
)
def test_the_edges_of_the_ranges_are_inside(override: str, defaults: DictConfig) -> None:
    validate(changed(defaults, override))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["data=image_folder"], "data.root: is missing; it must be text"),
        (["tracking=server"], "tracking.uri: is missing; it must be text, or null"),
        (["~seed"], "seed: is missing; it must be a whole number"),
        (["~model"], "model: is missing"),
        (["+train.extra=1"], "train.extra=1: no such key; train has epochs, batch_size"),
        (["+train.lrr=1"], "train.lrr=1: no such key; did you mean train.lr?"),
        (["++model.widths=[3]"], "model.widths=[3]: no such key"),
        (["+modle=1"], "modle=1: no such key; did you mean model?"),
        (["data=ring", "data.std=0"], "data.std=0.0: must be a number, above 0"),
        (["data=ring", "data.modes=0"], "data.modes=0: must be a whole number, at least 1"),
        (["data=image_folder", "data.root=x", "data.channels=2"], "data.channels=2: must be 1 or 3"),
        (["train.lr=${nothing}"], "train.lr: the interpolation cannot be resolved"),
    ],
)
def test_keys_that_are_missing_or_unknown(overrides: list[str], line: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(line)}"):
        validate(compose(overrides))


def test_an_interpolated_value_is_checked() -> None:
    validate(compose(["model.discriminator_widths=${model.generator_widths}"]))
    with pytest.raises(UserError, match=r"^train.epochs=0: must be"):
        validate(compose(["train.epochs=${seed}"]))


OWN = """
def build(sample_shape, width, depth=2):
    raise AssertionError("validation must not build")

def forgets(width):
    pass

def anything(sample_shape, **keys):
    pass

value = 3
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text(OWN)
    (tmp_path / "own_broken.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))


def own(target: str, **keys: object) -> list[str]:
    """The overrides that a user's own option amounts to, its group having no schema."""
    items = [f"_target_: {target}", *(f"{key}: {value}" for key, value in keys.items())]
    return ["~model", f"+model={{{', '.join(items)}}}"]


@pytest.mark.usefixtures("own_module")
def test_an_own_target_decides_which_keys_there_are() -> None:
    validate(compose(own("own_networks.build", width=3)))
    validate(compose(own("own_networks.build", width=3, depth=1)))
    validate(compose(own("own_networks.anything", whatever=3)))


def test_a_group_needs_a_target() -> None:
    with pytest.raises(UserError, match=r"^model._target_: is missing; it must name a function or a class"):
        validate(compose(["~model", "+model={width: 3}"]))


def test_our_own_target_without_its_schema_is_checked_too() -> None:
    with pytest.raises(UserError, match=r"^model.width=3: no such key; model has name, latent_dim"):
        validate(compose(own("gan_experiments.models.mlp.build", width=3)))


def test_tags_are_free() -> None:
    validate(compose(["+tracking.tags.who=me"]))


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("target", "keys", "line"),
    [
        (
            "own_networks.build",
            {"width": 3, "dept": 1},
            ".dept=1: no such key; did you mean model.depth? model has width",
        ),
        ("own_networks.build", {"depth": 3}, ".width: is missing; own_networks.build needs it"),
        ("own_networks.build", {"width": "???"}, ".width: is missing"),
        ("own_networks.forgets", {"width": 3}, "._target_=own_networks.forgets: must take an argument sample_shape"),
        ("own_networks.nothing", {}, "._target_=own_networks.nothing: cannot be imported (AttributeError: "),
        ("own_networks.value", {}, "._target_=own_networks.value: must be a function or a class"),
        (
            "nowhere.build",
            {},
            "._target_=nowhere.build: cannot be imported (ModuleNotFoundError: No module named 'no",
        ),
        ("own_broken.build", {}, "._target_=own_broken.build: cannot be imported (ModuleNotFoundError: No module"),
    ],
)
def test_an_own_target_that_does_not_fit(target: str, keys: dict[str, object], line: str) -> None:
    with pytest.raises(UserError, match=f"^{re.escape('model' + line)}") as error:
        validate(compose(own(target, **keys)))
    assert "\n" not in str(error.value)
