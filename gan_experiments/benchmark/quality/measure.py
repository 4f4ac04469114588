"""Trains the contenders in turn, and writes what is known after every run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime

from gan_experiments.benchmark import machine, rivals
from gan_experiments.benchmark.commands import timed
from gan_experiments.benchmark.options import Plan
from gan_experiments.benchmark.quality import picture
from gan_experiments.benchmark.quality.contenders import (
    ARTICLE,
    FIRST_SEED,
    LOOP,
    TARGETS,
    chosen,
    configuration,
    overrides_of,
    points_of,
    recipe_of,
    seeds_of,
)
from gan_experiments.benchmark.quality.records import Point, Records
from gan_experiments.benchmark.quality.referees import NO_VERDICT, Referees
from gan_experiments.benchmark.quality.scored_run import train
from gan_experiments.benchmark.quality.table import Entry, caption, entry, loop_entry, table
from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.timing import paced, warmed_up
from gan_experiments.runs.checks import check
from gan_experiments.runs.run import Run


def measure(plan: Plan, recipe: Recipe, facts: Sequence[str]) -> None:
    """Train every contender with every seed, and write ``quality.csv``, ``quality.md`` and ``quality.png``.

    Seeds come in turn, and in each all contenders, so that a disturbed minute does not meet one of them alone. What
    was measured before under the same conditions is not measured again.

    Args:
        plan: The options.
        recipe: The article's recipe, of which the published loop is timed.
        facts: Lines for the head.

    Raises:
        UserError: A contender is unknown, or cannot train here.
    """
    # 1. Compose all runs now: a mistake ends here, and not in an hour.
    names = chosen(plan)
    epochs = dict[str, int]()
    recipes = dict[str, str]()
    for name in names:
        cfg = configuration(overrides_of(name, plan, FIRST_SEED))
        check(cfg)
        epochs[name], recipes[name] = cfg.train.epochs, recipe_of(cfg)
    referees = Referees(recipe.dataset, plan.data, recipe.device)
    conditions = machine.conditions(recipe.device, plan.threads)
    records = Records(plan.out, plan.data, conditions, referees.description)

    # 2. Measure. The article's loop is timed in every turn, too.
    runs = _Runs(plan, records, referees, recipes, {name: points_of(count) for name, count in epochs.items()})
    with_loop = [LOOP, *names] if ARTICLE in names else names
    for turn in range(plan.seeds):
        seed = FIRST_SEED + turn
        due = [name for name in with_loop if name == LOOP or seed in seeds_of(name, plan)]
        for name in due[:: -1 if turn % 2 else 1]:
            if name == LOOP:
                runs.time_loop(recipe, seed)
            else:
                runs.train(name, seed)
            # 3. Write what is known so far.
            if entries := _entries(plan, names, runs):
                _write(plan, facts, referees.description, entries)
    text = _write(plan, facts, referees.description, _entries(plan, names, runs))
    print(f"\n{text}\n\n{plan.out}/quality.md, .csv and .png", flush=True)


class _Runs:
    """Trains runs, and has them scored.

    Args:
        plan: The options.
        records: Keep what is measured.
        referees: Score.
        recipes: The digest of each contender's configuration.
        points: The epochs after which each is scored.
    """

    def __init__(
        self,
        plan: Plan,
        records: Records,
        referees: Referees,
        recipes: dict[str, str],
        points: dict[str, list[int]],
    ) -> None:
        self._plan, self._records, self._referees = plan, records, referees
        self._recipes, self._points = recipes, points

    def complete(self, name: str, seeds: Sequence[int]) -> list[list[Point]]:
        """Return the points of those runs of a contender of which all are known."""
        due = self._points[name]
        known = (self._records.run(name, self._recipes[name], seed) for seed in seeds)
        runs = ([point for point in points if point.epoch in due] for points in known)
        return [points for points in runs if len(points) == len(due)]

    def loop_seconds(self, turns: int) -> list[float]:
        """Return the seconds that a step of the article's loop took in each turn, as far as they are known."""
        runs = [self._records.run(LOOP, "", FIRST_SEED + turn) for turn in range(turns)]
        return [point.seconds for points in runs for point in points]

    def time_loop(self, recipe: Recipe, seed: int) -> None:
        """Time a step of the article's loop."""
        if self._records.run(LOOP, "", seed):
            return
        print(f"measuring: {LOOP}", file=sys.stderr, flush=True)
        steps = rivals.article(recipe, *recipe.networks(sigmoid=True))
        seconds = warmed_up(paced(steps, recipe.device), self._plan.seconds)()
        self._records.add(Point(LOOP, "", seed, 0, 1, seconds, float("nan"), *NO_VERDICT, measured=_now()))

    def train(self, name: str, seed: int) -> None:
        """Train and score a run, from where it is known to have come."""
        if self.complete(name, [seed]):
            return
        overrides = overrides_of(name, self._plan, seed)
        startup = self._startup(name, overrides)
        run = Run(configuration(overrides), self._plan.out, overrides)
        begun, last = self._records.begun(name, self._recipes[name], seed), self._points[name][-1]
        for reached in train(run, self._points[name], begun):
            verdict = NO_VERDICT
            if reached.generator is not None:
                verdict = self._referees.judge(run, reached.generator)
            self._records.add(
                Point(
                    name,
                    self._recipes[name],
                    seed,
                    reached.epoch,
                    reached.step,
                    reached.seconds,
                    startup,
                    *verdict,
                    measured=_now(),
                ),
                state=None if reached.epoch == last or reached.generator is None else reached.state(),
            )
            print(
                f"measured:  {name}, seed {seed}, epoch {reached.epoch}: {reached.seconds:.1f} s, "
                f"distance {verdict.distance:.1f} ({verdict.referee_distance:.1f}), "
                f"precision {verdict.precision:.3f}, recall {verdict.recall:.3f}",
                file=sys.stderr,
                flush=True,
            )

    def _startup(self, name: str, overrides: Sequence[str]) -> float:
        """Return the seconds until a contender's first step, measured with the first of its runs."""
        for seed in seeds_of(name, self._plan):
            for point in self._records.run(name, self._recipes[name], seed):
                return point.startup
        command = [sys.executable, "-m", "gan_experiments.benchmark.quality.start", *overrides]
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            return timed(self._plan, folder, command, f"the start of {name}")


def _entries(plan: Plan, names: Sequence[str], runs: _Runs) -> list[Entry]:
    """Return the entries of all contenders that have a complete run."""
    found, target, seconds = list[Entry](), TARGETS.get(plan.data), runs.loop_seconds(plan.seeds)
    for name in names:
        if complete := runs.complete(name, seeds_of(name, plan)):
            own = entry(name, complete, target)
            if name == ARTICLE and seconds:
                found.append(loop_entry(own, seconds))
            found.append(own)
    return found


def _write(plan: Plan, facts: Sequence[str], referees: str, entries: Sequence[Entry]) -> str:
    """Write table and picture, and return the table."""
    target = TARGETS.get(plan.data)
    text = f"{caption(target, plan.data, f'Scores: {referees}.')}\n\n{table(entries)}"
    (plan.out / "quality.md").write_text("\n".join([*facts, "", text, ""]), encoding="utf-8")
    picture.draw(entries, target, f"{facts[0]} · {facts[1]}").savefig(plan.out / "quality.png")
    return text


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
