"""Values that change over a run: learning rates, and what is scheduled with them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, pi

import torch
from torch import Tensor

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.errors import UserError
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.training.optimizers.optimizer import Optimizer, Rates, optimizer_class
from gan_experiments.training.run_length import RunLength

_LR, _BETA2 = Rates._fields.index("lr"), Rates._fields.index("beta2")
_KINDS = ("linear", "cosine", "step")
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
        later: Settings of members that may take another's place.

    Attributes:
        average_rate: Share of the new weights in the average of G's, float32 ``[K, 1]``; None without an average.
        penalty: Factor of the weights of all penalties, float32 ``[K]``; None where it is 1 for ever.
        instance_noise: Its standard deviation, float32 ``[K]``; None where there is no noise.
    """

    def __init__(
        self,
        trains: Sequence[TrainConfig],
        size: int,
        generator: Optimizer,
        discriminator: Optimizer,
        later: Sequence[TrainConfig] = (),
    ) -> None:
        self._trains, self._size = list(trains), size
        self._players = {"generator": generator, "discriminator": discriminator}
        exact, device = generator.rates.dtype, generator.rates.device
        everyone = [*trains, *later]
        # 1. Each member's numbers, ``[K]`` each, and those that follow the step.
        rows = [_numbers(train, size) for train in trains]
        kinds_of = {"noise_start": torch.float32, "noise_final": torch.float32, "noise_fall": torch.float32}
        kinds_of |= dict.fromkeys(_KINDS, torch.bool)
        self._numbers = {
            name: torch.tensor([row[name] for row in rows], dtype=kinds_of.get(name, exact), device=device)
            for name in rows[0]
        }
        self._starts = {player: optimizer.rates.clone() for player, optimizer in self._players.items()}
        # 2. What some member schedules, now or later.
        kinds = {train.schedule for train in everyone} - {"constant"}
        self._kinds = {kind: self._numbers[kind] for kind in sorted(kinds)}
        self._changes = bool(kinds) or any(train.warmup_epochs for train in everyone)
        self._beta2_changes = any(train.beta2_final is not None for train in everyone)
        self._ema_changes = any(train.ema_final is not None for train in everyone)
        averages = any(train.ema is not None for train in everyone)
        self.average_rate = self._numbers["average_rate"].float()[:, None] if averages else None
        self.penalty: Tensor | None = None
        if any(train.penalty_final is not None for train in everyone):
            self.penalty = torch.ones(len(trains), device=device)
        self.instance_noise: Tensor | None = None
        if any(train.instance_noise or train.instance_noise_final for train in everyone):
            self.instance_noise = self._numbers["noise_start"].clone()

    def check(self, train: TrainConfig) -> None:
        """Make sure that a member with these settings can take another's place.

        Raises:
            UnstackableError: It schedules what no member was known to schedule.
        """
        needs = {
            "schedule": train.schedule == "constant" or train.schedule in self._kinds,
            "warmup_epochs": not train.warmup_epochs or self._changes,
            "beta2_final": train.beta2_final is None or self._beta2_changes,
            "ema": train.ema is None or self.average_rate is not None,
            "ema_final": train.ema_final is None or self._ema_changes,
            "penalty_final": train.penalty_final is None or self.penalty is not None,
            "instance_noise": not (train.instance_noise or train.instance_noise_final)
            or self.instance_noise is not None,
        }
        for name, is_met in needs.items():
            if not is_met:
                raise UnstackableError(f"no member of this stack has train.{name}={getattr(train, name)}")

    def put(self, k: int, train: TrainConfig) -> None:
        """Let settings that passed ``check`` take the place of member ``k``, once the optimisers have begun anew."""
        self._trains[k] = train
        for name, value in _numbers(train, self._size).items():
            self._numbers[name][k] = value
        for player, optimizer in self._players.items():
            self._starts[player][k] = optimizer.rates[k]
        if self.average_rate is not None:
            self.average_rate[k] = self._numbers["average_rate"][k]
        if self.penalty is not None:
            self.penalty[k] = 1.0

    def update(self) -> None:
        """Set all values for the coming step."""
        gone = self._update_scheduled() if self._changes else None
        if self.instance_noise is not None:
            start, fall = self._numbers["noise_start"], self._numbers["noise_fall"]
            std = start * (1 - fall * self._players["discriminator"].step).clamp_(min=0)
            if gone is not None:
                std = std + (self._numbers["noise_final"] - start) * gone
            self.instance_noise.copy_(std)

    def _update_scheduled(self) -> Tensor:
        """Set what follows ``train.schedule``; return the part of the way that is gone, ``[K]``."""
        numbers = self._numbers
        warm_up, final = numbers["warm_up"], numbers["lr_final"]
        step = self._players["generator"].step.to(warm_up.dtype)
        left = self._left((step - warm_up).clamp_(min=0))
        gone = 1 - left
        warmth = ((step + 1) / warm_up.clamp(min=1)).clamp_(max=1)
        factor = (final + (1 - final) * left) * warmth
        for player, optimizer in self._players.items():
            start = self._starts[player]
            optimizer.rates[:, _LR] = start[:, _LR] * factor
            if self._beta2_changes:
                optimizer.rates[:, _BETA2] = start[:, _BETA2] + (numbers["beta2_final"] - start[:, _BETA2]) * gone
        if self._ema_changes and self.average_rate is not None:
            start, final = numbers["ema"], numbers["ema_final"]
            self.average_rate.copy_(-torch.expm1(1 / (start + (final - start) * gone)).unsqueeze(1))
        if self.penalty is not None:
            self.penalty.copy_(1 + (numbers["penalty_final"] - 1) * gone)
        return gone

    def _left(self, since: Tensor) -> Tensor:
        """Return the part of the way that is left ``since`` so many steps after the warm-up, ``[K]``."""
        numbers = self._numbers
        part = (since / numbers["duration"]).clamp_(max=1)
        shapes = {
            "linear": lambda: 1 - part,
            "cosine": lambda: (1 + torch.cos(pi * part)) / 2,
            "step": lambda: numbers["gamma"] ** torch.floor(since / numbers["stride"]),
        }
        left = torch.ones_like(since)
        for kind, chosen in self._kinds.items():
            left = torch.where(chosen, shapes[kind](), left)
        return left

    def metrics(self, k: int) -> dict[str, float]:
        """Return member ``k``'s learning rates, and its other scheduled values, as they are now, by their names."""
        values = {f"rate/{player}": optimizer.rates[:, _LR] for player, optimizer in self._players.items()}
        values["schedule/beta2"] = self._players["generator"].rates[:, _BETA2]
        if self.average_rate is not None:
            values["schedule/ema"] = 1 - self.average_rate[:, 0]
        if self.penalty is not None:
            values["schedule/penalty"] = self.penalty
        if self.instance_noise is not None:
            values["schedule/instance_noise"] = self.instance_noise
        train = self._trains[k]
        own = {name: value[k] for name, value in values.items() if _is_scheduled(name, train)}
        together = torch.stack([value.to(self._numbers["warm_up"].dtype) for value in own.values()])
        return dict(zip(own, together.tolist(), strict=True))


def _numbers(train: TrainConfig, size: int) -> dict[str, float]:
    """Return what the schedules of one member are computed from, as functions of its settings."""
    length = RunLength.of(size, train)
    warm_up, end = length.end_of(train.warmup_epochs), length.end_of(train.schedule_epochs or train.epochs)
    # An average's half-life is -log 2 / log decay.
    decay = 0.5 if train.ema is None else train.ema
    return {
        "warm_up": warm_up,
        "duration": max(1, end - warm_up),
        "stride": length.end_of(train.step_epochs or train.epochs),
        "gamma": train.step_gamma,
        **{kind: float(train.schedule == kind) for kind in _KINDS},
        "lr_final": train.lr_final,
        "beta2_final": _or(train.beta2_final, train.betas[1]),
        "average_rate": 1 - decay,
        "ema": 1 / log(decay),
        "ema_final": 1 / log(_or(train.ema_final, decay)),
        "penalty_final": _or(train.penalty_final, 1.0),
        "noise_start": train.instance_noise,
        "noise_final": _or(train.instance_noise_final, train.instance_noise),
        "noise_fall": _fall(length, train),
    }


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
