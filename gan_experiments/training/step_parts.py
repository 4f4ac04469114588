"""What the adversarial step is made of: players, optimisers, terms and random numbers of all members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.batch import Batch
from gan_experiments.data.dataset import Dataset
from gan_experiments.errors import UserError
from gan_experiments.models import mlp
from gan_experiments.models.networks import Networks
from gan_experiments.models.stacking import UnstackableError, Vmapped
from gan_experiments.training.augmentation_term import augmentation_term
from gan_experiments.training.member import Member
from gan_experiments.training.optimizers.optimizer import Optimizer, Rates, optimizer_class, rates_of
from gan_experiments.training.penalty_terms import LogitTerm, PenaltyTerm, penalties_of, penalty_terms
from gan_experiments.training.player import Player
from gan_experiments.training.random_numbers import StepDraws
from gan_experiments.training.schedules import Schedules
from gan_experiments.training.stacked_terms import Terms

_PROJECT = __name__.partition(".")[0]


class StepParts:
    """The parts of a step, each for all members, and what there is of one member in them.

    One pair of networks is computed directly. Several are stacked along a leading dimension. In a stack a run can
    take the place of another (``put``): every tensor stays where it is, so that a captured CUDA graph goes on.

    Args:
        members: The runs. They may differ in the optimiser's settings, schedules and instance noise, in the decay
            of the EMA where all have one, and in the coefficients of objectives, penalties and augmentations.
        dataset: For normalisation.
        samples: The data set's samples, on the device.
        later: Runs that may take a member's place. Of their networks only the largest shapes matter, so that all may
            have the same ones.

    Raises:
        UnstackableError: The members' networks, objectives or penalties differ in more than that.
    """

    def __init__(
        self, members: Sequence[Member], dataset: Dataset, samples: Tensor, later: Sequence[Member] = ()
    ) -> None:
        everyone = [*members, *later]
        networks, trains = [member.networks for member in members], [member.train for member in members]
        others = list({id(member.networks): member.networks for member in later}.values())
        train, device = trains[0], samples.device
        # 1. Data, and the settings that all members share.
        self._dataset, self._samples = dataset, samples
        self._batch, self._updates = train.batch_size, train.discriminator_steps
        self._autocast = train.precision == "bf16"
        self._stacked = len(members) > 1
        self._chosen = (members[0].objective, members[0].penalty, members[0].augmentation)  # a stack's share classes
        # 2. Objectives: losses, and what they ask of the step.
        objectives = [member.objective for member in everyone]
        self._objective = Terms("objectives", objectives[: len(members)], device, objectives[len(members) :])
        if self._stacked:
            for loss in ("discriminator_loss", "generator_loss"):
                self._objective.probe(loss, *torch.zeros(2, 2, device=device))
        self._real_for_g = bool(self._objective.attribute("generator_sees_real", False))
        clip = self._objective.attribute("clip")
        self._clip: Tensor | None = None
        if clip is not None:
            self._clip = torch.as_tensor(clip, dtype=torch.float32, device=device).view(-1, 1)  # [K, 1], or [1, 1]
        # 3. Players: both networks, stacked where there are several members.
        latent_dims, later_dims = ([pair.latent_dim for pair in each] for each in (networks, others))
        self._labels = None if networks[0].classes is None else _labels_of(dataset).to(device)
        some_labels = None if self._labels is None else self._labels[:1].expand(2)
        real = Batch(dataset.normalise(samples[:1].expand(2, *samples.shape[1:])), some_labels)
        latents = [Batch(torch.zeros(2, dim, device=device), some_labels) for dim in (*latent_dims, *later_dims)]
        low = torch.bfloat16 if self._autocast else None
        self.generator = Player(
            [pair.generator for pair in networks], latents, low, [pair.generator for pair in others]
        )
        reals = [real] * len(latents)
        self.discriminator = Player(
            [pair.discriminator for pair in networks], reals, low, [pair.discriminator for pair in others]
        )
        weights = [pair.auxiliary_weight for pair in networks]
        self._auxiliary_weight = torch.tensor(weights if self._stacked else weights[0], device=device)  # [K], or []
        # 4. Passes: where the networks allow it, real and generated samples share one of D, and all noise one of G.
        if len({_treatment(pair) for pair in (*networks, *others)}) > 1:
            raise UnstackableError("the networks differ in how they treat a batch, or in their classes")
        self._treatment, self._per_sample = _treatment(networks[0]), networks[0].per_sample
        has_constant_rows = networks[0].constant_rows and not isinstance(self.generator.network, Vmapped)
        self._one_pass = self._per_sample and has_constant_rows
        # 5. Optimisers, the average of G's weights, and all that changes with the step.
        self._optimizers: dict[Player, Optimizer] = {
            player: optimizer_class(train.optimizer)(
                player.parameters.flat, *([self._rates(player, each.train) for each in of] for of in (members, later))
            )
            for player in (self.generator, self.discriminator)
        }
        self._average: Tensor | None = None
        if train.ema is not None:
            self._average = self.generator.parameters.flat.clone()
        of_g, of_d = (self._optimizers[player] for player in (self.generator, self.discriminator))
        self._schedules = Schedules(trains, len(dataset), of_g, of_d, [member.train for member in later])
        # 6. Penalties on D, and augmentation of all that D sees.
        self._penalty_terms = penalty_terms(members, dataset.sample_shape, self._batch, device, later)
        self._penalties = [term for term in self._penalty_terms if isinstance(term, PenaltyTerm)]
        self._on_logits = [term for term in self._penalty_terms if isinstance(term, LogitTerm)]
        self._augmentation = augmentation_term(members, dataset.sample_shape, device, later)
        # 7. Random numbers for all of these.
        self._draws = StepDraws(
            self.generator,
            self.discriminator,
            latent_dims,
            dataset.sample_shape,
            later_dims=later_dims,
            batch=self._batch,
            updates=self._updates,
            penalties=self._penalties,
            real_for_generator=self._real_for_g,
            instance_noise=self._schedules.instance_noise is not None,
            augmentation=None if self._augmentation is None else self._augmentation.uniforms,
            dtype=torch.bfloat16 if self._autocast else torch.float32,
            device=device,
        )

    @property
    def is_well_known(self) -> bool:
        """Whether networks, objective, penalty and augmentation are the project's own, and the networks perceptrons.

        Such parts are functions of their tensors alone.
        """
        players = (self.generator, self.discriminator)
        are_dense = {type(player.network) for player in players} == {mlp.Generator, mlp.Discriminator}
        return are_dense and all(type(part).__module__.startswith(f"{_PROJECT}.") for part in self._chosen if part)

    def sampler(self, k: int) -> nn.Module:
        """Return the generator that member ``k``'s samples and scores use: the averaged one where there is one."""
        return self.generator.parameters.member(k, self._average)

    def measurements(self, k: int) -> dict[str, float]:
        """Return member ``k``'s metrics of the latest step, by name.

        These are the 2-norm of each player's gradient, what its augmentation reports, and what follows a schedule.
        """
        found = {
            "grad_norm/generator": _norm(self.generator.parameters.gradient[k : k + 1]),
            "grad_norm/discriminator": _norm(self.discriminator.parameters.gradient[k : k + 1]),
        }
        if self._augmentation is not None:
            found |= {name: values[k] for name, values in self._augmentation.metrics().items()}
        measured = dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))
        return measured | self._schedules.metrics(k)

    def check_room(self, member: Member) -> dict[Player, list[float]]:
        """Make sure that a run can take a member's place; return its drop probabilities in both players.

        Raises:
            UnstackableError: The stack has no room for it.
        """
        if _treatment(member.networks) != self._treatment:
            raise UnstackableError("the networks differ in how they treat a batch, or in their classes")
        dropped = {player: player.check(network) for player, network in self._networks_of(member).items()}
        self._draws.check(member.networks.latent_dim, dropped)
        for player, optimizer in self._optimizers.items():
            optimizer.check(self._rates(player, member.train))
        self._schedules.check(member.train)
        for of_all, own in self._terms_of(member):
            of_all.check(own)
        return dropped

    @torch.no_grad()
    def put(self, k: int, member: Member) -> None:
        """Let a run take the place of member ``k`` of a stack, at its beginning.

        Raises:
            UnstackableError: The stack has no room for it; nothing has changed.
        """
        dropped = self.check_room(member)
        for player, network in self._networks_of(member).items():
            player.put(k, network)
            self._optimizers[player].put(k, self._rates(player, member.train))
        self._draws.put(k, member.networks.latent_dim, dropped)
        self._schedules.put(k, member.train)
        for of_all, own in self._terms_of(member):
            of_all.put(k, own)
        self._auxiliary_weight[k] = member.networks.auxiliary_weight
        if self._average is not None:
            self._average[k] = self.generator.parameters.flat[k]

    def _terms_of(self, member: Member) -> list[tuple[Terms, Any]]:
        """Return the terms of all members, each with this member's object.

        Raises:
            UnstackableError: It has others.
        """
        penalties = penalties_of(member)
        if len(penalties) != len(self._penalty_terms) or (member.augmentation is None) != (
            self._augmentation is None
        ):
            raise UnstackableError("some members have a penalty or an augmentation and others none")
        terms = [(self._objective, member.objective)]
        terms += [(term.terms, penalty) for term, penalty in zip(self._penalty_terms, penalties, strict=True)]
        return terms if self._augmentation is None else [*terms, (self._augmentation.terms, member.augmentation)]

    def _networks_of(self, member: Member) -> dict[Player, nn.Module]:
        return {self.generator: member.networks.generator, self.discriminator: member.networks.discriminator}

    def _rates(self, player: Player, train: TrainConfig) -> Rates[float]:
        return rates_of(train, train.generator_lr if player is self.generator else train.discriminator_lr)

    def state(self, k: int) -> dict[str, Any]:
        """Return member ``k``'s weights, buffers, optimiser states and changing terms, in its own shapes."""
        state: dict[str, Any] = {}
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            parameters, optimizer = player.parameters, self._optimizers[player]
            state[name] = _detached(parameters.member(k).state_dict())
            state[f"optimizer_{name}"] = {"step": optimizer.step[k].clone()} | {
                key: _detached(parameters.named(k, tensor)) for key, tensor in optimizer.state.items()
            }
        if self._average is not None:
            state["generator_average"] = _detached(self.generator.parameters.named(k, self._average))
        return state | {name: terms.state(k) for name, terms in self._changing().items()}

    def load(self, k: int, state: dict[str, Any]) -> None:
        """Take over for member ``k``, alone or in any stack, what ``state`` returned."""
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            parameters, optimizer, saved = player.parameters, self._optimizers[player], _optimizer_state(state, name)
            parameters.load_member(k, state[name])
            optimizer.step[k] = saved["step"]
            for key, tensor in optimizer.state.items():
                # A member without momentum has no buffer, until it trains next to one that has.
                if key in saved:
                    parameters.assign(k, tensor, saved[key])
        if self._average is not None:
            self.generator.parameters.assign(k, self._average, state["generator_average"])
        for name, terms in self._changing().items():
            # A run whose checkpoint is older than the term begins with it here.
            if name in state:
                terms.load(k, state[name])

    def _changing(self) -> dict[str, Terms]:
        """Return what else changes as it trains, by its name in a checkpoint."""
        terms = {f"penalty_{i}": term.terms for i, term in enumerate(self._on_logits)}
        if self._augmentation is not None:
            terms["augmentation"] = self._augmentation.terms
        return {name: term for name, term in terms.items() if term.changing}


def _norm(gradient: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradient, dim=-1)[0]


def _treatment(pair: Networks) -> tuple[bool, bool, int | None]:
    """Return how networks treat a batch, and what labels they take."""
    return pair.per_sample, pair.constant_rows, pair.classes


def _labels_of(dataset: Dataset) -> Tensor:
    """Return the labels that conditional networks need.

    Raises:
        UserError: The data have none.
    """
    if dataset.labels is None:
        raise UserError(f"data={dataset.name}: has no labels, and the networks need them")
    return dataset.labels


def _optimizer_state(state: dict[str, Any], player: str) -> dict[str, Any]:
    """Return a player's optimiser state, also from a checkpoint of version 0.1, which knew Adam alone."""
    if f"adam_{player}" not in state:
        return state[f"optimizer_{player}"]
    adam = state[f"adam_{player}"]
    return {"exp_avg": adam["first"], "exp_avg_sq": adam["second"], "step": adam["updates"]}


def _detached(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies: a saved view would take the whole tensor along, and a member's module is filled anew."""
    return {name: tensor.clone() for name, tensor in named.items()}
