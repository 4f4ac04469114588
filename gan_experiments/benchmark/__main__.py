"""The command ``python -m gan_experiments.benchmark``."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.benchmark.options import DATA, NAMED_PARTS, PARTS, Plan
from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import RunFailedError, UserError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: Status 2 for bad input, after one line on stderr.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    with user_errors():
        from gan_experiments.benchmark.machine import confined, cores

        if options.threads is None:
            options.threads = cores()
        _check(options, cores())
        named = vars(options).pop("only")
        parts = tuple(named.split(",")) if named else tuple(part for part in PARTS if part not in NAMED_PARTS)
        unknown = [part for part in parts if part not in PARTS]
        if unknown:
            raise UserError(f"--only {unknown[0]}: no such part; there are {', '.join(PARTS)}")
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {options.out}: cannot be made a folder ({error.strerror})") from error
        with confined(options.threads):
            _measure(Plan(parts=parts, **vars(options)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.benchmark",
        description="Measure this project against other ways to train the article's networks, in turn, "
        "and write a table, CSV and a picture. Nothing else should run at the same time.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", choices=DATA, default="digits", help="data set to learn")
    parser.add_argument("--root", default="data", help="folder of the data's files (digits need none)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps")
    parser.add_argument("--threads", type=int, help="processor threads of each contender; all cores by default")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contender")
    parser.add_argument("--seconds", type=float, default=1.0, help="shortest time of one measurement")
    parser.add_argument("--members", type=int, default=256, help="largest sweep")
    parser.add_argument("--slots", type=int, default=8, help="slots of the stack whose runs come and go")
    parser.add_argument(
        "--precision",
        choices=("fp32", "tf32", "bf16"),
        default="fp32",
        help="precision of the sweep and of the stack whose runs come and go",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=120.0,
        help="longest time that one way of training a sweep may take at one size",
    )
    parser.add_argument("--epochs", type=int, default=20, help="length of the runs that show the cost of tracking")
    parser.add_argument("--seeds", type=int, default=Plan.seeds, help="quality: runs of each contender")
    parser.add_argument(
        "--article-seeds",
        type=int,
        default=Plan.article_seeds,
        help="quality: runs with the article's recipe, which are long, at most",
    )
    parser.add_argument(
        "--contenders",
        type=lambda text: tuple(text.split(",")),
        default=argparse.SUPPRESS,
        metavar="NAME,…",
        help="quality: article, improved, speedrun, or some of them; without it, all",
    )
    parser.add_argument("--out", type=Path, default=Path("benchmark"), help="folder of the results")
    named = ", ".join(NAMED_PARTS)
    parser.add_argument("--only", help=f"some of {','.join(PARTS)}; without it, all but {named}")
    return parser


def _check(options: argparse.Namespace, cores: int) -> None:
    counts = ("rounds", "members", "slots", "epochs", "seeds", "article_seeds")
    for name, lowest in (dict.fromkeys(counts, 1) | {"slots": 2}).items():
        if getattr(options, name) < lowest:
            raise UserError(f"--{name.replace('_', '-')} {getattr(options, name)}: must be at least {lowest}")
    for name in ("seconds", "max_seconds"):
        if not 0 < getattr(options, name) < math.inf:
            raise UserError(f"--{name.replace('_', '-')} {getattr(options, name)}: must be a number above 0")
    if not 1 <= options.threads <= cores:
        raise UserError(f"--threads {options.threads}: must be from 1 to {cores}, the cores of this machine")


def _measure(plan: Plan) -> None:
    """Measure part by part, and write all results so far after each."""
    from gan_experiments.benchmark import commands, exchanges, host, machine, optimizer, picture, report, steps, sweep
    from gan_experiments.benchmark.options import STEP_PARTS
    from gan_experiments.benchmark.recipe import Recipe
    from gan_experiments.benchmark.timing import Failures
    from gan_experiments.training.device import resolve_device

    device = resolve_device(plan.device)
    recipe = Recipe.on(plan.data, plan.root, device)
    why = machine.lacks(device, plan.precision)
    if why is not None and {"sweep", "exchanges"} & set(plan.parts):
        raise UserError(f"--precision {plan.precision}: {why}")
    facts = machine.facts(recipe, plan.threads)
    print("\n".join(facts), flush=True)
    measurements = {
        "step": lambda: steps.measure(plan, recipe),
        "sweep": lambda: sweep.SweepBenchmark(plan, recipe).measure(),
        "optimizer": lambda: optimizer.measure(plan, recipe),
        "exchanges": lambda: exchanges.measure(plan, recipe),
        "tracking": lambda: commands.tracking(plan),
        "startup": lambda: commands.startup(plan),
        "host": lambda: host.measure(plan),
    }
    rows: list[report.Row] = []
    failures, lost = Failures(), list[str]()
    for part, measure in measurements.items():
        if part not in plan.parts and not (part == "step" and set(plan.parts) & set(STEP_PARTS)):
            continue
        own: list[report.Row] = []
        with failures.caught(part):
            own = measure()
        rows += own
        if part in failures:
            lost.append(f"{part}: {failures.note(part, None)}")
        print(f"\n{lost[-1] if part in failures else report.table(own)}", flush=True)
        text = "\n".join([*facts, "", *lost, report.table(rows), ""])
        (plan.out / "benchmark.txt").write_text(text, encoding="utf-8")
        report.write_csv(plan.out / "benchmark.csv", rows)
        if part in ("step", "sweep") and any(row.spread is not None for row in own):
            picture.draw(rows, f"{facts[0]} · {facts[1]}").savefig(plan.out / "benchmark.png")
    if rows:
        print(f"\n{plan.out}/benchmark.txt, .csv and .png" if (plan.out / "benchmark.png").exists() else "")
    if "quality" in plan.parts:
        from gan_experiments.benchmark.quality.measure import measure as measure_quality

        measure_quality(plan, recipe, facts)
    if lost:
        raise RunFailedError("; ".join(lost))


if __name__ == "__main__":
    main()
