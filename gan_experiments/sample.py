"""The command ``python -m gan_experiments.sample``: draws samples from a run's generator."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import UserError
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import busy

if TYPE_CHECKING:
    from torch import Tensor

_STEPS = 10
"""Pictures from one end of an interpolation to the other."""


def interpolate(ends: Tensor, steps: int) -> Tensor:
    """Return latents on great circles from each row of ``ends`` to the next: ``[(n - 1) * steps, latent_dim]``.

    Spherical interpolation (White, "Sampling Generative Networks", 2016): normal latents lie near a sphere, and
    the straight line between two of them leaves it.
    """
    import torch

    first, second = ends[:-1, None], ends[1:, None]
    cosine = torch.nn.functional.cosine_similarity(first, second, dim=-1).clamp(-1, 1)
    angle = torch.arccos(cosine).unsqueeze(-1).clamp_min(1e-6)
    t = torch.linspace(0, 1, steps)[:, None]
    path = (torch.sin((1 - t) * angle) * first + torch.sin(t * angle) * second) / torch.sin(angle)
    return path.flatten(0, 1)


def draw(directory: RunDirectory, count: int, seed: int, rows: bool, epoch: int | None, out: Path) -> None:
    """Draw ``count`` samples (or, with ``rows``, that many rows of an interpolation) into a picture or an array.

    Raises:
        UserError: The checkpoint is missing, or ``out`` cannot be written.
    """
    import numpy as np
    import torch

    from gan_experiments.data.sample_space import SampleSpace
    from gan_experiments.runs.saved_networks import load_networks, load_state
    from gan_experiments.tracking.pictures import figures, images

    state = load_state(directory, epoch)
    networks = load_networks(state)
    latents = torch.randn(count + int(rows), networks.latent_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        samples = networks.generator(interpolate(latents, _STEPS) if rows else latents)
    array = SampleSpace.from_description(state).denormalise(samples).numpy()
    if out.suffix == ".npy":
        np.save(out, array)
    elif state["is_image"]:
        images.sample_grid(array, columns=_STEPS if rows else None).save(out)
    else:
        done = state["config"]["train"]["epochs"] if epoch is None else epoch
        images.rasterise(figures.scatter(array, np.load(directory.real_points), done)).save(out)


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
    parser.add_argument(
        "--uri", default="sqlite:///mlflow.db", help="where an id is looked up (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    with user_errors():
        if options.count < 1:
            raise UserError(f"-n {options.count}: must be at least 1")
        if not 0 <= options.seed < 2**63:
            raise UserError(f"--seed {options.seed}: must be at least 0 and below 2**63")
        folder = find_run(options.run, options.uri)
        _check_output(options.out)
        directory = RunDirectory.of_a_run(folder)
        with busy("drawing samples"):
            draw(directory, options.count, options.seed, options.interpolate, options.epoch, options.out)
    print(clickable(options.out, sys.stdout))


def _check_output(out: Path) -> None:
    from PIL import Image

    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.SAVE} | {".npy"}
    if out.suffix.lower() not in known:
        raise UserError(f"--out {out}: its name must end in .npy or as a picture's does, such as .png")
    if not out.absolute().parent.is_dir() or not os.access(out if out.exists() else out.absolute().parent, os.W_OK):
        raise UserError(f"--out {out}: cannot be written")


if __name__ == "__main__":
    main()
