"""Values that change over a run: learning rates, and what is scheduled with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log, pi

import torch
from torch import Tensor

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.errors import UserError
from gan_experiments.training.optimizers.optimizer import Optimizer, Rates, optimizer_class
from gan_experiments.training.run_length import RunLength

_LR, _BETA2 = Rates._fields.index("lr"), Rates._fields.index("beta2")
_FINAL = ("beta2_final", "ema_final", "penalty_final", "instance_noise_final")
"""Settings that name a value at the end of the schedule, and are null for what stays as it is."""


class Schedules:
    """The schedules of all members, each a function of its member's own step and length.

    With t the steps finished, w those of the warm-up and d the step at which the schedule ends, the part of the way
    that is left falls from 1, from the end of the warm-up on:

    - ``linear``: ``1 - p``, with ``p = (t - w) / (d - w)`` in [0, 1];
    - ``cosine``: ``(1 + cos(pi p)) / 2`` (Loshchilov and Hutter, "SGDR", 2017);
    - ``step``: ``gamma^floor((t - w) / s)``;
    - ``constant``: 1.

    A scheduled value is ``final + (start - final) left``, as in R3GAN (Huang et al., 2024), where learning rate,
    penalty, beta 2 and the EMA's half-life follow one cosine. During the warm-up learning rates are also multiplied
    by ``(t + 1) / w`` (Goyal et al., "Accurate, Large Minibatch SGD", 2017). Instance noise may fall by itself, to 0
    within epochs of its own.

    Everything is computed on the device from the optimisers' counters, so there is nothing to save, and a CUDA graph
    takes it along. What no member schedules is not computed.

    Args:
        trains: Each member's settings.
        size: Samples in the data set.
        generator: G's optimiser, whose counter is the step; its rates are written.
        discriminator: D's optimiser; its rates are written.

    Attributes:
        average_rate: Share of the new weights in the average of G's, float32 ``[K, 1]``; None without an average.
        penalty: Factor of the weights of all penalties, float32 ``[K]``; None where it is 1 for ever.
        instance_noise: Its standard deviation, float32 ``[K]``; None where there is no noise.
    """

    def __init__(
        self, trains: Sequence[TrainConfig], size: int, generator: Optimizer, discriminator: Optimizer
    ) -> None:
        self._trains, self._players = trains, {"generator": generator, "discriminator": discriminator}
        exact, device = generator.rates.dtype, generator.rates.device

        def column(values: Iterable[float], dtype: torch.dtype = exact) -> Tensor:
            return torch.tensor(list(values), dtype=dtype, device=device)

        # 1. Shapes.
        lengths = [RunLength.of(size, train) for train in trains]
        of_members = list(zip(lengths, trains, strict=True))
        warm_ups = [length.end_of(train.warmup_epochs) for length, train in of_members]
        ends = [length.end_of(train.schedule_epochs or train.epochs) for length, train in of_members]
        self._warm_up = column(warm_ups)
        self._duration = column(max(1, end - warm_up) for end, warm_up in zip(ends, warm_ups, strict=True))
        self._stride = column(length.end_of(train.step_epochs or train.epochs) for length, train in of_members)
        self._gamma = column(train.step_gamma for train in trains)
        kinds = {train.schedule for train in trains} - {"constant"}
        self._kinds = {kind: column((t.schedule == kind for t in trains), torch.bool) for kind in sorted(kinds)}
        self._changes = bool(kinds) or any(warm_ups)
        # 2. Where learning rates and beta 2 start and end.
        self._starts = {player: optimizer.rates.clone() for player, optimizer in self._players.items()}
        self._lr_final = column(train.lr_final for train in trains)
        self._beta2_final = column(_or(train.beta2_final, train.betas[1]) for train in trains)
        self._beta2_changes = any(train.beta2_final is not None for train in trains)
        # 3. The average: its half-life is -log 2 / log decay.
        decays = [train.ema for train in trains if train.ema is not None]
        self.average_rate = column((1 - decay for decay in decays), torch.float32)[:, None] if decays else None
        self._ema: tuple[Tensor, Tensor] | None = None
        if any(train.ema_final is not None for train in trains):
            finals = [_or(train.ema_final, decay) for train, decay in zip(trains, decays, strict=True)]
            self._ema = column(1 / log(decay) for decay in decays), column(1 / log(final) for final in finals)
        # 4. Factors.
        self.penalty: Tensor | None = None
        if any(train.penalty_final is not None for train in trains):
            self.penalty = column((1 for _ in trains), torch.float32)
            self._penalty_final = column(_or(train.penalty_final, 1.0) for train in trains)
        self.instance_noise: Tensor | None = None
        if any(train.instance_noise or train.instance_noise_final for train in trains):
            self.instance_noise = column((train.instance_noise for train in trains), torch.float32)
            self._noise_start = self.instance_noise.clone()
            finals = (_or(train.instance_noise_final, train.instance_noise) for train in trains)
            self._noise_final = column(finals, torch.float32)
            falls = [_fall(length, train) for length, train in of_members]
            self._noise_fall = column(falls, torch.float32)  # for one update of D

    def update(self) -> None:
        """Set all values for the coming step."""
        gone = self._update_scheduled() if self._changes else None
        if self.instance_noise is not None:
            std = self._noise_start * (1 - self._noise_fall * self._players["discriminator"].step).clamp_(min=0)
            if gone is not None:
                std = std + (self._noise_final - self._noise_start) * gone
            self.instance_noise.copy_(std)

    def _update_scheduled(self) -> Tensor:
        """Set what follows ``train.schedule``; return the part of the way that is gone, ``[K]``."""
        step = self._players["generator"].step.to(self._warm_up.dtype)
        left = self._left((step - self._warm_up).clamp_(min=0))
        gone = 1 - left
        warmth = ((step + 1) / self._warm_up.clamp(min=1)).clamp_(max=1)
        factor = (self._lr_final + (1 - self._lr_final) * left) * warmth
        for player, optimizer in self._players.items():
            start = self._starts[player]
            optimizer.rates[:, _LR] = start[:, _LR] * factor
            if self._beta2_changes:
                optimizer.rates[:, _BETA2] = start[:, _BETA2] + (self._beta2_final - start[:, _BETA2]) * gone
        if self._ema is not None and self.average_rate is not None:
            start, final = self._ema
            self.average_rate.copy_(-torch.expm1(1 / (start + (final - start) * gone)).unsqueeze(1))
        if self.penalty is not None:
            self.penalty.copy_(1 + (self._penalty_final - 1) * gone)
        return gone

    def _left(self, since: Tensor) -> Tensor:
        """Return the part of the way that is left ``since`` so many steps after the warm-up, ``[K]``."""
        part = (since / self._duration).clamp_(max=1)
        shapes = {
            "linear": lambda: 1 - part,
            "cosine": lambda: (1 + torch.cos(pi * part)) / 2,
            "step": lambda: self._gamma ** torch.floor(since / self._stride),
        }
        left = torch.ones_like(since)
        for kind, chosen in self._kinds.items():
            left = torch.where(chosen, shapes[kind](), left)
        return left

    def metrics(self) -> list[dict[str, float]]:
        """Return each member's learning rates, and its other scheduled values, as they are now, by their names."""
        values = {f"rate/{player}": optimizer.rates[:, _LR] for player, optimizer in self._players.items()}
        values["schedule/beta2"] = self._players["generator"].rates[:, _BETA2]
        if self.average_rate is not None:
            values["schedule/ema"] = 1 - self.average_rate[:, 0]
        if self.penalty is not None:
            values["schedule/penalty"] = self.penalty
        if self.instance_noise is not None:
            values["schedule/instance_noise"] = self.instance_noise
        rows = torch.stack([value.to(self._warm_up.dtype) for value in values.values()], 1).tolist()
        return [
            {name: value for name, value in zip(values, row, strict=True) if _is_scheduled(name, train)}
            for row, train in zip(rows, self._trains, strict=True)
        ]


def _is_scheduled(metric: str, train: TrainConfig) -> bool:
    group, _, name = metric.partition("/")
    return (
        group == "rate"
        or getattr(train, f"{name}_final") is not None
        or (name == "instance_noise" and train.instance_noise_epochs is not None)
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _fall(length: RunLength, train: TrainConfig) -> float:
    """Return the part of the instance noise that an update of D takes away."""
    epochs = train.instance_noise_epochs
    return 0.0 if epochs is None else 1 / (length.end_of(epochs) * train.discriminator_steps)


def check_schedules(train: TrainConfig, has_penalty: bool) -> None:
    """Make sure that schedules fit into the run, and that there is what they change.

    Args:
        train: The settings.
        has_penalty: Whether D's loss has a penalty, the objective's own or another.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    epochs, warm_up, end = train.epochs, train.warmup_epochs, train.schedule_epochs
    if end is None or train.schedule not in ("linear", "cosine"):
        last, latest = float(epochs), f"train.epochs={epochs}"
    else:
        last, latest = end, f"train.schedule_epochs={end:g}"
    if last > epochs:
        raise UserError(f"{latest}: must be at most train.epochs={epochs}")
    if warm_up >= last:
        raise UserError(f"train.warmup_epochs={warm_up:g}: must be less than {latest}")
    if train.schedule == "step" and (train.step_epochs is None or train.step_epochs >= epochs - warm_up):
        given = "null" if train.step_epochs is None else f"{train.step_epochs:g}"
        rest = f"{epochs - warm_up:g}, the epochs {'after the warm-up' if warm_up else 'of the run'}"
        raise UserError(f"train.step_epochs={given}: must be a number below {rest}, with train.schedule=step")
    for name in _FINAL:
        final = getattr(train, name)
        problem = None if final is None else _why_not(name, train, has_penalty)
        if problem is not None:
            raise UserError(f"train.{name}={final:g}: {problem}")


def _why_not(final: str, train: TrainConfig, has_penalty: bool) -> str | None:
    """Return why a setting of ``_FINAL`` would do nothing, or None."""
    if train.schedule == "constant":
        return "needs a train.schedule other than constant"
    if final == "beta2_final" and not optimizer_class(train.optimizer).uses_betas:
        return f"must be null with train.optimizer={train.optimizer}, which has no betas"
    if final == "ema_final" and train.ema is None:
        return "must be null with train.ema=null, which averages nothing"
    if final == "penalty_final" and not has_penalty:
        return "must be null with penalty=none and an objective without one"
    if final == "instance_noise_final" and train.instance_noise_epochs is not None:
        return f"must be null with train.instance_noise_epochs={train.instance_noise_epochs}, a fall of its own"
    return None
