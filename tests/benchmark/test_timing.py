"""What is done with times; none is taken here."""

import pytest

from gan_experiments.benchmark.timing import Block, Spread, alternate, per_unit, warmed_up


def test_contenders_take_turns_in_an_order_that_turns_round():
    order = []
    values = iter(range(100))

    def contender(name):
        return lambda: order.append(name) or float(next(values))

    spreads = alternate(3, {name: contender(name) for name in "abc"})
    assert "".join(order) == "abccbaabc"
    assert spreads["a"] == Spread(median=5.0, low=0.0, high=6.0)


def test_blocks_grow_until_they_take_long_enough():
    asked = []

    def contend(steps):
        asked.append(steps)
        taken = -(-steps // 5) * 5  # windows of five
        return Block(taken, 60.0 if len(asked) == 1 else taken * 0.01)

    measure = warmed_up(contend, seconds=0.3)
    assert asked == [1, 1, 1, 10, 20, 40]  # that the first call, which sets up, takes a minute does not matter
    assert measure() == pytest.approx(0.01)
    assert asked[-1] == 40
    assert per_unit(measure, 4)() == pytest.approx(0.0025)


def test_spreads_in_other_units():
    assert Spread(2.0, 1.0, 4.0).scaled(10) == Spread(20.0, 10.0, 40.0)
    assert Spread(2.0, 1.0, 4.0).inverse() == Spread(0.5, 0.25, 1.0)
