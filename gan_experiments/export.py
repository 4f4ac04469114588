"""The command ``python -m gan_experiments.export``: writes a run's generator to a file for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.run_directory import RunDirectory

_FORMATS = ("onnx", "torch_export", "safetensors")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: Status 2, after one line on stderr, for a mistake of the user.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.export",
        description="Write a run's generator, with averaged weights where the run has them, to a file: a program "
        "from float32 latents [N, latent_dim], and int64 labels [N] if it is conditional, to samples in the data's "
        "range (onnx, torch_export), or the weights alone (safetensors).",
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder, or its id in MLflow")
    parser.add_argument("--format", required=True, metavar="FORMAT", help=" or ".join(_FORMATS))
    parser.add_argument("-o", "--out", type=Path, help="the file (default: generator.onnx, .pt2 or .safetensors)")
    parser.add_argument("--epoch", type=int, help="the generator after this epoch (default: the last checkpoint's)")
    parser.add_argument("--uri", default=usual(), help="where an id is looked up (default: %(default)s)")
    options = parser.parse_args(arguments)
    with user_errors():
        if options.format not in _FORMATS:
            raise UserError(f"--format {options.format}: must be one of {', '.join(_FORMATS)}")
        directory = RunDirectory.of_a_run(find_run(options.run, options.uri))
        from gan_experiments.runs.checks import check_file  # after the checks, which need no torch
        from gan_experiments.runs.exporting import SUFFIXES, check_packages, export
        from gan_experiments.runs.finished_run import FinishedRun

        check_packages(options.format)
        out = options.out or Path(f"generator{SUFFIXES[options.format]}")
        check_file("--out", out)
        run = FinishedRun(directory)
        generator = run.generator(options.epoch)
        export(generator, run.plain_config["model"], options.format, out)
        space = generator.space
        kind = "uint8" if space.is_image else "float32"
        samples = f"{kind} [N, {', '.join(map(str, space.shape))}]"
        labels = "" if generator.classes is None else ", labels int64 [N]"
        print(f"{out}: latents float32 [N, {generator.latent_dim}]{labels} -> samples {samples}")


if __name__ == "__main__":
    main()
