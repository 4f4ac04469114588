"""Experiments with generative adversarial networks: Hydra configures, PyTorch trains, MLflow compares.

From Python: ``from gan_experiments import compose, train, load, score``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_experiments.errors import RunFailedError, UserError
    from gan_experiments.runs.finished_run import FinishedRun
    from gan_experiments.runs.from_python import compose, load, score, train

__version__ = "0.1.0"
__all__ = ["FinishedRun", "RunFailedError", "UserError", "compose", "load", "score", "train"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, not before: most modules of this package need neither Hydra nor torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("RunFailedError", "UserError"):
        from gan_experiments import errors as home
    elif name == "FinishedRun":
        from gan_experiments.runs import finished_run as home
    else:
        from gan_experiments.runs import from_python as home
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
