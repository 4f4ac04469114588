"""Overrides are read by Hydra's grammar, in one place."""

from __future__ import annotations

import pytest
from hydra.errors import OverrideParseException

from gan_experiments.configuration.override import Override, parse, write


@pytest.mark.parametrize(
    ("text", "key", "name", "value", "is_option"),
    [
        ("train.lr=1e-3", "train.lr", "train.lr", "1e-3", False),
        ("+tracking.tags.who=me", "tracking.tags.who", "tracking.tags.who", "me", False),
        ("++train.resume=lr=0.1,seed=3", "train.resume", "train.resume", "lr=0.1,seed=3", False),
        ("model=mlp,dcgan", "model", "model", "mlp,dcgan", True),
        ("objective@other=minimax", "objective@other", "objective", "minimax", True),
        ("hydra/launcher/through=ray", "hydra/launcher/through", "hydra/launcher/through", "ray", True),
        ("~penalty", "penalty", "penalty", None, True),
    ],
)
def test_what_an_override_sets(text: str, key: str, name: str, value: str | None, is_option: bool) -> None:
    override = Override.read(text)
    assert override.text == text
    assert (override.key, override.name, override.value, override.is_option) == (key, name, value, is_option)


def test_what_is_no_override() -> None:
    with pytest.raises(OverrideParseException) as error:
        Override.read("a b=3")
    assert error.value.override == "a b=3"


@pytest.mark.parametrize("path", ["runs/1", "it's", "lr=0.1,seed=3", "with space", "[1]"])
def test_a_path_is_written_so_that_hydra_reads_it(path: str) -> None:
    (parsed,) = parse([write("train.resume", path)])
    assert parsed.value() == path


def test_nothing_is_written_as_null_and_not_as_a_text() -> None:
    assert [write("tracking.uri", value) for value in (None, "null")] == [
        "tracking.uri=null",
        "tracking.uri='null'",
    ]
