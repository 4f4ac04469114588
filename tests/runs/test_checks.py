from __future__ import annotations

import pytest

from gan_experiments.configuration.compose import compose
from gan_experiments.errors import UserError
from gan_experiments.runs.checks import check


def test_momentum_is_refused_where_the_optimiser_has_none() -> None:
    with pytest.raises(UserError, match=r"^train\.momentum=0\.9: must be 0 with train\.optimizer=adam, which has no"):
        check(compose(["device=cpu", "train.momentum=0.9"]))
    check(compose(["device=cpu", "train.momentum=0.9", "train.optimizer=sgd"]))


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            ["data=ring", "augment=flip"],
            r"augment=flip: must be none for points, which ring has",
        ),
        (
            ["augment=flip", "augment.probability=1.5"],
            r"augment\.probability=1\.5: must be a number, at least 0",
        ),
        (["augment=ada", "augment.target=2"], r"augment\.target=2\.0: must be a number, at least -1 and at most 1$"),
        (["augment=ada", "+augment.probability=1"], r"augment\.probability=1: no such key; augment has "),
        (["penalty=lecam", "penalty.decay=1"], r"penalty\.decay=1\.0: must be a number, at least 0 and below 1$"),
    ],
)
def test_an_augmentation_that_cannot_be(overrides: list[str], line: str) -> None:
    with pytest.raises(UserError, match=f"^{line}"):
        check(compose(["device=cpu", *overrides]))


def test_a_penalty_is_scheduled_where_there_is_one_of_its_own_or_the_objective_s() -> None:
    scheduled = ["device=cpu", "data=ring", "train.schedule=cosine", "train.penalty_final=0.1"]
    with pytest.raises(UserError, match=r"^train\.penalty_final=0\.1: must be null with penalty=none"):
        check(compose(scheduled))
    check(compose([*scheduled, "penalty=r1"]))
    check(compose([*scheduled, "objective=wasserstein_gp"]))
