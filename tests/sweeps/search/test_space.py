"""A search's space is written as any sweep of Hydra's, and what it cannot take is refused."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from gan_experiments.errors import UserError
from gan_experiments.sweeps.search.space import Space, find_space

SPACES = {
    "a=interval(0,0.5)": FloatDistribution(0, 0.5),
    "a=tag(log,interval(1e-5,1e-3))": FloatDistribution(1e-5, 1e-3, log=True),
    "a=int(interval(2,8))": IntDistribution(2, 8),
    "a=tag(log,int(interval(2,8)))": IntDistribution(2, 8, log=True),
    "a=range(16,129)": IntDistribution(16, 128),
    "a=range(4)": IntDistribution(0, 3),
    "a=range(0,10,3)": IntDistribution(0, 9, step=3),
    "a=range(10,0,-3)": IntDistribution(1, 10, step=3),
    "a=tag(log,range(16,129))": IntDistribution(16, 128, log=True),
    "a=range(0,0.5,0.1)": FloatDistribution(0, 0.4, step=0.1),
    "a=choice(hinge,non_saturating)": CategoricalDistribution(["hinge", "non_saturating"]),
    "a=1,2.5,true,null": CategoricalDistribution([1, 2.5, True, "null"]),
    "a=[8,16],[32]": CategoricalDistribution(["[8,16]", "[32]"]),
}


def space(*overrides: str) -> Space:
    return find_space(OverridesParser.create().parse_overrides(list(overrides)))


@pytest.mark.parametrize("written", SPACES)
def test_what_is_written_is_what_is_searched(written: str) -> None:
    assert space(written).distributions == {"a": SPACES[written]}


def test_the_last_override_of_a_key_counts_and_fixed_ones_stay() -> None:
    found = space("a=1,2", "b=range(3)", "c=5", "a=7")
    assert list(found.distributions) == ["b"]
    assert found.jobs({"b": 2}) == [["a=7", "c=5", "b=2"]]


def test_seeds_repeat_every_trial() -> None:
    found = space("a=interval(0,1)", "seed=range(2)")
    assert list(found.distributions) == ["a"]
    assert found.jobs({"a": 0.25}) == [["a=0.25", "seed=0"], ["a=0.25", "seed=1"]]


def test_every_value_that_must_be_right_is_looked_at() -> None:
    probes = space("a=x,y,z", "b=range(1,9)", "c=interval(0,1)", "d=4").probes()
    assert all("d=4" in probe for probe in probes)
    seen = {line for probe in probes for line in probe}
    assert {"a=x", "a=y", "a=z", "b=1", "b=8", "c=0.0", "c=1.0"} <= seen
    # What an interval has inside is no whole number, should the key want one.
    assert any(0 < float(line[2:]) < 1 for line in seen if line.startswith("c="))


REFUSED = {
    "a=tag(nice,interval(0,1))": "a=tag(nice,interval(0,1)): no such tag as nice; a search knows log",
    "a=tag(log,choice(1,2))": "a=tag(log,choice(1,2)): log is for an interval or a range",
    "a=tag(log,interval(0,1))": "a=tag(log,interval(0,1)): ",
    "a=interval(1,0)": "a=interval(1,0): ",
    "a=range(3,3)": "a=range(3,3): the range is empty",
    "a=tag(log,range(0.1,1,0.1))": "a=tag(log,range(0.1,1,0.1)): log has no steps",
    "a=1": "hydra/sweeper=optuna: there is nothing to search",
    "seed=range(3)": "hydra/sweeper=optuna: there is nothing to search",
    "seed=interval(0,3)": "seed=interval(0,3): seeds repeat every trial and are not searched",
}


@pytest.mark.parametrize("written", REFUSED)
def test_what_cannot_be_searched(written: str) -> None:
    with pytest.raises(UserError) as refused:
        space(written)
    assert str(refused.value).startswith(REFUSED[written])
