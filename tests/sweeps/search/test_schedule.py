"""What a sweep with rungs decides, whatever happens to the processes that train it: on runs that are made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from gan_experiments.sweeps.search.asha import Asha
from gan_experiments.sweeps.search.schedule import COMPLETE, FAILED, PRUNED, NoRungs, Policy
from gan_experiments.sweeps.search.slots import SlotSource
from gan_experiments.training.run_length import RunLength
from tests.support.made_up_runs import Folders, KilledError, Listed, MadeUp, follow

EPOCHS, RUNGS = 27, (1, 3, 9)


def asha() -> Policy:
    return Asha(3, len(RUNGS), larger_is_better=False)


def median() -> Policy:
    optuna = pytest.importorskip("optuna")
    from gan_experiments.sweeps.search.optuna_pruner import ByOptuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return ByOptuna(optuna.pruners.MedianPruner(n_startup_trials=2), RUNGS, "minimize", "a sweep")


POLICIES: dict[str, Callable[[], Policy]] = {"asha": asha, "median": median, "none": NoRungs}


def sweep(trials: int, seeds: int, chance: random.Random, uneven: bool = False) -> tuple[dict[int, MadeUp], Listed]:
    """Runs of which some diverge and some stop early; their scores get closer to what they end with."""
    runs: dict[int, MadeUp] = {}
    lengths = [RunLength(60, chance.choice((6, 7, 20)) if uneven else 6, EPOCHS) for _ in range(trials)]
    for trial, length in enumerate(lengths):
        final = chance.random()
        for seed in range(seeds):
            scores = [final + chance.gauss(0, 0.3) / (epoch + 1) for epoch in range(EPOCHS)]
            run = MadeUp(length, scores)
            fate = chance.random()
            if fate < 0.1:
                run.diverges = chance.randrange(1, length.total_steps)
            elif fate < 0.2:
                run.stops = chance.randrange(1, EPOCHS)
            runs[trial * seeds + seed] = run
    return runs, Listed([range(trial * seeds, (trial + 1) * seeds) for trial in range(trials)], lengths)


def again(listed: Listed) -> Listed:
    return Listed(listed.runs, listed.lengths)


def source(listed: Listed, runs: dict[int, MadeUp], policy: Policy, places: int) -> SlotSource:
    rungs: Sequence[int] = () if isinstance(policy, NoRungs) else RUNGS
    return SlotSource(listed, Folders(runs), policy, places, rungs)


def ends(listed: Listed) -> dict[int, object]:
    return {int(str(event[1])): event[0] for event in listed.events if event[0] in (COMPLETE, FAILED, PRUNED)}


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("policy", POLICIES)
def test_kills_change_nothing(policy: str, seeds: int) -> None:
    """Killed at random moments, with checkpoints of all ages, in fewer slots than places, and in groups."""
    kills = 0
    for case in range(6):
        whole, listed = sweep(20, seeds, random.Random(case), uneven=case % 2 == 1)
        broken, _ = sweep(20, seeds, random.Random(case), uneven=case % 2 == 1)
        follow(source(listed, whole, POLICIES[policy](), places=4), whole, slots=4 * seeds)
        chance = random.Random(case)
        while True:
            resumed = again(listed)
            try:
                slots, group = chance.choice([(4 * seeds, 10**9), (2, 10**9), (30, 6)])
                follow(source(resumed, broken, POLICIES[policy](), places=4), broken, slots, chance, group)
                break
            except KilledError:
                kills += 1
        assert resumed.events == listed.events
        assert {n: (run.state, run.pruned) for n, run in broken.items()} == {
            n: (run.state, run.pruned) for n, run in whole.items()
        }
        assert all(run.state is not None for run in whole.values())  # nothing stays paused
    assert kills > 5


@pytest.mark.parametrize("policy", POLICIES)
def test_every_trial_ends_once(policy: str) -> None:
    runs, listed = sweep(30, 2, random.Random(0))
    follow(source(listed, runs, POLICIES[policy](), places=5), runs, slots=10)
    assert sorted(ends(listed)) == list(range(30))
    assert sum(event[0] in (COMPLETE, FAILED, PRUNED) for event in listed.events) == 30


def test_asha_spends_the_epochs_on_the_best() -> None:
    """81 settings, eta 3, rungs at 3, 9 and 27 of 81 epochs: at most a fifth of the steps, and the best ends."""
    chance = random.Random(1)
    length, rungs = RunLength(60, 6, 81), (3, 9, 27)
    final = {number: chance.random() for number in range(81)}
    runs = {number: MadeUp(length, [value] * 81) for number, value in final.items()}
    listed = Listed([[number] for number in runs], [length] * 81)
    policy = Asha(3, 3, larger_is_better=False)
    follow(SlotSource(listed, Folders(runs), policy, 27, rungs), runs, slots=27)
    assert sum(run.trained for run in runs.values()) <= 81 * length.total_steps / 5
    best = sorted(final, key=lambda number: final[number])
    assert [number for number, end in ends(listed).items() if end == COMPLETE] == sorted(best[:3])
    assert {run.pruned for run in runs.values()} == {None, 1, 2, 3}
    assert [sum(run.pruned == rung for run in runs.values()) for rung in (1, 2, 3)] == [54, 18, 6]


def test_new_trials_go_first_and_the_hopeless_end_at_once() -> None:
    """Six trials in two places, worse and worse: only two of six may pass, so the third may still, the fourth not."""
    length = RunLength(10, 1, 3)
    runs = {number: MadeUp(length, [float(number)] * 3) for number in range(6)}
    listed = Listed([[number] for number in runs], [length] * 6)
    follow(SlotSource(listed, Folders(runs), Asha(3, 1, larger_is_better=False), 2, (1,)), runs, slots=2)
    assert [event[:2] for event in listed.events] == [
        *[("began", 0), ("began", 1), ("reached", 0), ("reached", 1)],
        *[("began", 2), ("began", 3), ("reached", 2), ("reached", 3), (PRUNED, 2), (PRUNED, 3)],
        *[("began", 4), ("began", 5), ("reached", 4), ("reached", 5), (PRUNED, 4), (PRUNED, 5)],
        *[(COMPLETE, 0), (COMPLETE, 1)],
    ]


def test_the_best_of_few_reaches_the_end() -> None:
    """Five trials, of which one may pass the first rung: it passes the second, too, though it is alone there."""
    length = RunLength(10, 1, 9)
    runs = {number: MadeUp(length, [float(number)] * 9) for number in range(5)}
    listed = Listed([[number] for number in runs], [length] * 5)
    follow(SlotSource(listed, Folders(runs), Asha(3, 2, larger_is_better=True), 2, (1, 3)), runs, slots=2)
    assert ends(listed) == {0: PRUNED, 1: PRUNED, 2: PRUNED, 3: PRUNED, 4: COMPLETE}


def test_seeds_are_judged_together() -> None:
    """Two settings pass at a third, by the mean of their seeds; a seed that diverges counts for nothing."""
    length = RunLength(10, 1, 3)
    scores = [(1.0, 5.0), (2.0, 3.0), (9.0, 9.0)]  # means 3, 2.5 and 9; the second of the last diverges
    runs = {2 * k + s: MadeUp(length, [value] * 3) for k, pair in enumerate(scores) for s, value in enumerate(pair)}
    runs[5].diverges = 4
    listed = Listed([[0, 1], [2, 3], [4, 5]], [length] * 3)
    follow(SlotSource(listed, Folders(runs), Asha(3, 1, larger_is_better=False), 3, (1,)), runs, slots=6)
    assert ends(listed) == {0: PRUNED, 1: COMPLETE, 2: PRUNED}
    assert ("reached", 2, 1, 9.0) in listed.events


def test_one_that_is_given_up_already_is_not_taken_up_again() -> None:
    """A device that computes otherwise may let another trial win the second time: what is over is over."""
    length = RunLength(10, 1, 3)
    runs = {number: MadeUp(length, [float(number)] * 3) for number in range(3)}
    runs[0].state, runs[0].pruned, runs[0].steps = "finished", 1, 10
    listed = Listed([[number] for number in runs], [length] * 3)
    follow(SlotSource(listed, Folders(runs), Asha(3, 1, larger_is_better=False), 3, (1,)), runs, slots=3)
    assert ends(listed) == {0: PRUNED, 1: PRUNED, 2: PRUNED}


def test_tally_counts_runs() -> None:
    runs, listed = sweep(9, 2, random.Random(3))
    followed = source(listed, runs, asha(), places=3)
    assert followed.tally().waiting == 18
    for stint in followed.waiting():
        followed.took(stint.number)
    assert followed.tally().waiting == 12
    steps = followed.tally().steps
    assert 0 < steps < 12 * runs[0].length.total_steps / 3
