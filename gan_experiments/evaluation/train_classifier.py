"""The command ``python -m gan_experiments.evaluation.train_classifier``: train a classifier that judges generators.

``python -m gan_experiments.evaluation.train_classifier data=mnist data.root=ROOT`` made the one that is shipped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.configuration.compose import compose
from gan_experiments.configuration.validation import validate
from gan_experiments.data.load import load_data
from gan_experiments.errors import UserError
from gan_experiments.evaluation.classifier_training import train


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: Status 2 for a user's mistake, after one line on stderr.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.evaluation.train_classifier",
        description="Train a classifier whose features judge generators; evaluate.features=PATH takes it.",
    )
    parser.add_argument("overrides", nargs="*", metavar="data.KEY=VALUE", help="the data, as in the run command")
    parser.add_argument("--out", type=Path, help="the file to write (default NAME.safetensors)")
    parser.add_argument("--epochs", type=int, default=8, help="passes over the data (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation (default 0)")
    options = parser.parse_intermixed_args(arguments)
    with user_errors():
        if options.epochs < 1:
            raise UserError(f"--epochs {options.epochs}: must be at least 1")
        cfg = compose(options.overrides)
        validate(cfg)
        dataset = load_data(cfg.data)
        classifier = train(dataset, options.epochs, options.seed)
        out = options.out or Path(f"{dataset.name}.safetensors")
        try:
            classifier.save(out)
        except OSError as error:
            raise UserError(f"--out {out}: cannot be written ({error.strerror})") from error
        judged = "test set" if dataset.test is not None else "training set, there being no test set"
        print(f"{out}: {classifier.version}, {classifier.spec.accuracy:.2%} of the {judged}")


if __name__ == "__main__":
    main()
