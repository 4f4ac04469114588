"""Runs leave their slots at unequal moments, and others take them at once."""

from collections import Counter
from itertools import islice

import pytest

from gan_experiments.benchmark import exchanges


@pytest.fixture
def built(monkeypatch):
    """The numbers of the runs whose networks have been built."""
    numbers = []

    def member(recipe, number, *settings):
        numbers.append(number)
        return original(recipe, number, *settings)

    original = exchanges.member
    monkeypatch.setattr(exchanges, "member", member)
    monkeypatch.setattr(exchanges, "STEPS", 10)  # four epochs of 2.5 steps
    return numbers


def taken(recipe, exchange, steps):
    units = exchanges.stack(recipe, 2, "fp32", exchange)
    return sum(unit.steps for unit in islice(units, steps))


def test_every_run_that_ends_is_replaced(recipe, built):
    assert exchanges.average_length(recipe) == 10
    assert taken(recipe, True, 40) > 40
    assert built == list(range(len(built)))
    assert len(built) > 6


def test_runs_that_stay_are_those_that_began(recipe, built):
    assert taken(recipe, False, 40) > 40
    assert built == [0, 1]


def test_runs_end_at_unequal_moments(recipe, built, monkeypatch):
    moments = Counter()

    class Noted(exchanges._Endless):
        def next(self, slot, check):
            moments[steps] += 1
            return super().next(slot, check)

    monkeypatch.setattr(exchanges, "_Endless", Noted)
    steps = 0
    for unit in islice(exchanges.stack(recipe, 2, "fp32", True), 60):
        steps += unit.steps
    assert len(moments) > sum(moments.values()) / 2
