from __future__ import annotations

import pytest

from gan_experiments.configuration.instantiate import same_target


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("gan_experiments.objectives.Hinge", "gan_experiments.objectives.hinge.Hinge"),
        ("gan_experiments.penalties.none", "gan_experiments.penalties.no_penalty.none"),
        ("gone.build", "gone.build"),
        (None, None),
    ],
)
def test_targets_that_name_the_same(a: str | None, b: str | None) -> None:
    assert same_target(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("gan_experiments.objectives.Hinge", "gan_experiments.objectives.Minimax"),
        ("gan_experiments.objectives.Hinge", "gone.Hinge"),
        ("gan_experiments.objectives.Hinge", None),
    ],
)
def test_targets_that_name_different_things(a: str, b: str | None) -> None:
    assert not same_target(a, b)
