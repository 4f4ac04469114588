"""Trains a part of a run again, beside what its folder holds: nothing is written there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_experiments.configuration.instantiate import takes_labels
from gan_experiments.configuration.schema import EvaluateConfig, TrackingConfig, TrainConfig
from gan_experiments.errors import UserError
from gan_experiments.evaluation.evaluator import Evaluator
from gan_experiments.runs.comparison import Comparison
from gan_experiments.runs.proofs import weights_digest
from gan_experiments.runs.recorded import Recorded
from gan_experiments.runs.run import Run
from gan_experiments.tracking.chain import Link
from gan_experiments.tracking.chain_check import CheckedChain, not_this_run
from gan_experiments.tracking.environment import processor
from gan_experiments.tracking.metadata import versions
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from gan_experiments.training.arithmetic import on_threads
from gan_experiments.training.device import resolve_device
from gan_experiments.training.events import EpochFinished, StepsFinished
from gan_experiments.training.trainer import Trainer

_STRUCTURED: Mapping[str, type] = {"train": TrainConfig, "evaluate": EvaluateConfig, "tracking": TrackingConfig}
_NUMERICAL = ("torch", "numpy")
"""Packages of which another version may round otherwise."""


@dataclass(frozen=True)
class Part:
    """Steps that one process trained.

    Attributes:
        after: The step before its first.
        last: Its last step.
        session: The line of the chain with which the process began; None where it kept no chain.
    """

    after: int
    last: int
    session: Link | None


def parts_of(sessions: Sequence[Link], last: int) -> list[Part]:
    """Return which steps of a run each of its processes trained; one that came to nothing has none."""
    begins: list[tuple[int, Link | None]] = [(line["step"], line) for line in sessions]
    if begins[0][0] > 0:
        begins.insert(0, (0, None))
    ends = [*(step for step, _ in begins[1:]), last]
    return [Part(step, end, line) for (step, line), end in zip(begins, ends, strict=True) if end > step]


class Retrace:
    """Repeats parts of a run's training, from the beginning or from a state that was kept.

    Args:
        directory: The run's folder.
        chain: Its chain, which has been checked.
        overrides: Values of the configuration to take instead of the run's own, such as where its data lie.
        everything: Whether scores are compared too.

    Raises:
        UserError: The run's configuration has keys that this version does not know.
    """

    def __init__(
        self, directory: RunDirectory, chain: CheckedChain, overrides: Mapping[str, Any], everything: bool
    ) -> None:
        self._directory, self.last = directory, chain.standing.steps
        self._parts = parts_of(chain.sessions, self.last)
        self._cfg = _configuration(directory, overrides, chain.sessions[-1]["device"])
        self._everything, self._recorded = everything, Recorded(directory, chain.lines, chain.there)

    @cached_property
    def run(self) -> Run:
        """The run as it would begin now."""
        return self._run_of(self._parts[-1] if self._parts else None)

    def starts(self) -> list[int]:
        """Return the steps after which training can be repeated: 0, and those of the states that were kept."""
        return [0, *(step for step in self._recorded.states if step < self.last)]

    def why_not_exact(self, part: Part) -> str | None:
        """Return why equal bits cannot be expected of some steps, in words; None where they can."""
        session = part.session
        if session is None:
            return "how it was trained is not on record"
        if session["slots"] > 1:
            return f"the run was one of up to {session['slots']} in a stack"
        if session["device"] != "cpu" or self.run.device.type != "cpu":
            device = self.run.device.type
            return f"retraced on {device}, the run was on {session['device']}: other than a processor's bits may vary"
        if session["processor"] != processor():
            return f"retraced on {processor()}, the run was on {session['processor']}"
        for name in _NUMERICAL:
            then, now = session["packages"].get(name), versions().get(name)
            if then != now:
                return f"retraced with {name} {now}, the run had {then}"
        if self._threads(part) is None and session["threads"] != torch.get_num_threads():
            return f"retraced on {torch.get_num_threads()} threads, the run had {session['threads']}"
        return None

    def window(self, start: int, last: int) -> Comparison:
        """Train again from the state after step ``start`` up to step ``last``, and compare.

        Returns:
            How far that came, and whether all bits were the same.

        Raises:
            RunFailedError: It departs from what the run's folder holds.
        """
        comparison = Comparison(self._recorded, start, self._cfg.train.precision)
        state = None if start == 0 else checkpoint.load(self._directory.state_after(start))
        for part in self._parts:
            first, end = max(part.after, start), min(part.last, last)
            if first < end and not comparison.is_over:
                comparison.begin(self.why_not_exact(part), self._same_surroundings(part))
                state = self._train(part, state, end, comparison)
        return comparison

    def _train(
        self, part: Part, state: dict[str, Any] | None, end: int, comparison: Comparison
    ) -> dict[str, Any] | None:
        """Train up to a step, and return the state there; None where the comparison is over before."""
        run = self._run_of(part)
        run.state = state
        _check_origin(run, self._parts[0])
        threads = self._threads(part)
        with on_threads(None if threads is None or part.session is None else part.session["other_threads"]):
            trainer = Trainer([run.member], run.dataset, device=run.device, samples=1, sample_every=end + 1)
            if threads is not None:
                trainer.threads = threads
            if state is not None:
                trainer.load(state)
            for _, event in trainer.events(end):
                match event:
                    case StepsFinished():
                        comparison.steps(event)
                    case EpochFinished():
                        comparison.epoch(event, trainer)
                        if self._everything and comparison.has_scores(event.step):
                            scores = self._evaluator.score(trainer.generator(), run.member.networks.latent_dim)
                            comparison.scores(event.step, scores.metrics())
                if comparison.is_over:
                    return None
            if trainer.step < end:
                raise not_this_run(f"retraced, training ends after step {trainer.step:,}: a value is not finite")
            comparison.weights(trainer)
            return trainer.state()

    @cached_property
    def _evaluator(self) -> Evaluator:
        run = self.run
        evaluate = cast(EvaluateConfig, OmegaConf.to_object(run.cfg.evaluate))
        return Evaluator(evaluate, run.dataset, run.device, takes_labels(run.cfg.model, run.dataset.classes))

    def why_no_scores(self) -> str | None:
        """Return a line where scores would be measured by other features than the run's, and are not; else None."""
        then = self._parts[-1].session["features"] if self._parts and self._parts[-1].session else None
        if not self._everything or self._evaluator.features == then:
            return None
        self._everything = False
        return f"scores    are not measured again: by {then or 'nothing'} then, by {self._evaluator.features} now"

    def _threads(self, part: Part) -> int | None:
        """Return the threads on which steps are repeated; None where whoever started this has decided."""
        is_chosen = "OMP_NUM_THREADS" in os.environ or part.session is None
        return None if is_chosen else cast(Link, part.session)["threads"]

    def _same_surroundings(self, part: Part) -> bool:
        """Return whether scores, and what else is measured beside the steps, are computed on as many threads."""
        if part.session is None:
            return False
        return self._threads(part) is not None or part.session["other_threads"] == torch.get_num_threads()

    def _run_of(self, part: Part | None) -> Run:
        cfg = self._cfg.copy()
        if part is not None and part.session is not None:
            cfg.train.epochs = part.session["epochs"]  # how long a run is may change when it is resumed
        run = Run(cfg, self._directory.path, ())
        run.state = None
        return run


def _configuration(directory: RunDirectory, overrides: Mapping[str, Any], device: str) -> DictConfig:
    """Return a run's configuration for training it again, here and without any record."""
    plain = yaml.safe_load(directory.config.read_text(encoding="utf-8"))
    try:
        groups = {
            name: OmegaConf.merge(OmegaConf.structured(schema), plain[name]) for name, schema in _STRUCTURED.items()
        }
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{directory.name_of(directory.config)}: not for this version of the code ({reason})"
        ) from error
    cfg = cast(DictConfig, OmegaConf.create({**plain, **groups}))
    cfg.tracking.uri = cfg.train.resume = None
    on_gpu = device.startswith("cuda") and torch.cuda.is_available()
    cfg.device = "cuda" if on_gpu else "cpu"
    for key, value in overrides.items():
        OmegaConf.update(cfg, key, value)
    if cfg.train.engine == "graph" and resolve_device(cfg.device).type != torch.device(device).type:
        cfg.train.engine = "auto"  # not every device can capture a step; the bits are others there anyway
    return cfg


def _check_origin(run: Run, first: Part) -> None:
    """Make sure that the weights that a run began from are still those."""
    expected = None if first.session is None else first.session["start_from"]
    if run.state is None and expected is not None and run.starting_weights is not None:
        found = weights_digest(run.starting_weights.weights)
        if found != expected:
            raise not_this_run(
                f"train.start_from={run.cfg.train.start_from} had weights of digest {expected[:12]}…, "
                f"and has {found[:12]}…"
            )
