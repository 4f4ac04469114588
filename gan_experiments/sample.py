"""The command ``python -m gan_experiments.sample``: draws samples from a run's generator."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import busy

if TYPE_CHECKING:
    from gan_experiments.runs.finished_run import FinishedRun


def draw(
    run: FinishedRun, count: int, seed: int, rows: bool, epoch: int | None, out: Path, label: str | None = None
) -> None:
    """Draw ``count`` samples (or, with ``rows``, that many rows of an interpolation) into a picture or an array.

    Of a conditional run all are of the class ``label`` or, without one, of each class in turn, a column a class.

    Raises:
        UserError: The checkpoint or the class is missing.
    """
    import numpy as np

    from gan_experiments.runs.finished_run import STEPS, draw_interpolations, draw_samples
    from gan_experiments.tracking.pictures import figures, images

    generator = run.generator(epoch)
    array = (draw_interpolations if rows else draw_samples)(generator, count, seed, label)
    if out.suffix == ".npy":
        np.save(out, array)
    elif array.dtype == np.uint8:
        images.sample_grid(array, columns=STEPS if rows else generator.columns(count, label)).save(out)
    else:
        done = run.plain_config["train"]["epochs"] if epoch is None else epoch
        figures.scatter(array, np.load(run.files.real_points), done).save(out)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: Status 2, after one line on stderr, for a mistake of the user.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.sample", description="Draw samples from a run's generator into a picture."
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its id in MLflow")
    parser.add_argument(
        "-n", type=int, default=64, dest="count", help="how many (default 64); rows, of interpolations"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the latents (default 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("samples.png"), help="a picture, or an array if it ends in .npy"
    )
    parser.add_argument("--interpolate", action="store_true", help="rows that lead from one latent to the next")
    parser.add_argument("--epoch", type=int, help="the generator after this epoch (default: the last checkpoint's)")
    parser.add_argument("--class", dest="label", help="number or name of the class, of a run that learns with labels")
    parser.add_argument("--uri", default=usual(), help="where an id is looked up (default: %(default)s)")
    options = parser.parse_args(arguments)
    with user_errors():
        if options.count < 1:
            raise UserError(f"-n {options.count}: must be at least 1")
        if not 0 <= options.seed < 2**63:
            raise UserError(f"--seed {options.seed}: must be at least 0 and below 2**63")
        _check_output(options.out)
        directory = RunDirectory.of_a_run(find_run(options.run, options.uri))
        with busy("drawing samples"):
            from gan_experiments.runs.finished_run import FinishedRun  # after the checks, which need none of it

            run = FinishedRun(directory)
            draw(run, options.count, options.seed, options.interpolate, options.epoch, options.out, options.label)
    print(clickable(options.out, sys.stdout))


def _check_output(out: Path) -> None:
    from PIL import Image

    from gan_experiments.runs.checks import check_file

    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.SAVE} | {".npy"}
    if out.suffix.lower() not in known:
        raise UserError(f"--out {out}: its name must end in .npy or as a picture's does, such as .png")
    check_file("--out", out)


if __name__ == "__main__":
    main()
