"""What is done with times; none is taken here."""

import pytest

from gan_experiments.benchmark.timing import Block, Failures, Spread, alternate, per_unit, warmed_up
from gan_experiments.errors import UserError


def test_contenders_take_turns_in_an_order_that_turns_round():
    order = []
    values = iter(range(100))

    def contender(name):
        return lambda: order.append(name) or float(next(values))

    spreads = alternate(3, {name: contender(name) for name in "abc"}, Failures())
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


def test_one_that_fails_is_lost_alone_and_keeps_the_rounds_that_it_has_finished():
    def failing_in(turn, error):
        turns = iter(range(1, 10))

        def measure():
            if next(turns) == turn:
                raise error
            return 1.0

        return measure

    failures = Failures()
    with failures.caught("before"):
        raise UserError("needs a GPU")
    contenders = {
        "at once": failing_in(1, ValueError()),
        "later": failing_in(3, RuntimeError("CUDA error: an illegal access\nCompile with …")),
        "well": failing_in(0, None),
    }
    spreads = alternate(3, contenders, failures)
    assert spreads == {"later": Spread(1.0, 1.0, 1.0), "well": Spread(1.0, 1.0, 1.0)}
    assert failures.note("before", None) == "not measured: needs a GPU"
    assert failures.note("at once", None) == "not measured: 0 of 3 rounds: ValueError"
    later = "2 of 3 rounds: RuntimeError: CUDA error: an illegal access"
    assert failures.note("later", spreads["later"]) == later
    assert failures.note("well", spreads["well"]) == ""


def test_ctrl_c_is_no_failure_of_a_contender():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        alternate(1, {"a": interrupted}, Failures())


def test_spreads_in_other_units():
    assert Spread(2.0, 1.0, 4.0).scaled(10) == Spread(20.0, 10.0, 40.0)
    assert Spread(2.0, 1.0, 4.0).inverse() == Spread(0.5, 0.25, 1.0)
