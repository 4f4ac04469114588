from __future__ import annotations

import pytest

from gan_experiments.configuration.compose import compose
from gan_experiments.errors import UserError
from gan_experiments.runs.checks import check


def test_momentum_is_refused_where_the_optimiser_has_none() -> None:
    with pytest.raises(UserError, match=r"^train\.momentum=0\.9: must be 0 with train\.optimizer=adam, which has no"):
        check(compose(["device=cpu", "train.momentum=0.9"]))
    check(compose(["device=cpu", "train.momentum=0.9", "train.optimizer=sgd"]))
