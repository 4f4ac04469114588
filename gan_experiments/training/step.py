"""The adversarial step: the one function that training repeats, for one run or for a stack of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gan_experiments.data.batch import Batch
from gan_experiments.models.networks import logits_of
from gan_experiments.training.instance_noise import instance_noise
from gan_experiments.training.player import Player
from gan_experiments.training.random_numbers import Masks
from gan_experiments.training.recording import on_host
from gan_experiments.training.step_parts import StepParts


class StepStatistics(NamedTuple):
    """The measurements of a step, on the device; for a stack, with the members in front.

    Attributes:
        discriminator_loss: Scalar, of the step's last update of D.
        generator_loss: Scalar.
        real_logits: ``[B]``, of D before its last update, dropout active.
        fake_logits: ``[B]``, of the same moment.
    """

    discriminator_loss: Tensor
    generator_loss: Tensor
    real_logits: Tensor
    fake_logits: Tensor


class AdversarialStep(StepParts):
    """``discriminator_steps`` updates of D, then one of G (Goodfellow et al., 2014, algorithm 1).

    Reads nothing but its arguments and the tensors it owns, updates those in place, and never waits for the
    device: no file, no ``.item()``, no generator state. So it can be repeated, captured or stacked.

    The losses of a stack's members are summed, never averaged, so that none reaches another's gradient. Its arguments
    and what it is made of: ``StepParts``.
    """

    def compile(self) -> None:
        """Have torch compile both networks; their first calls then take tens of seconds."""
        # Compiled code would compute the derivative of every row, so G runs separately for D, without one.
        self._one_pass = False
        self.generator.compile()
        self.discriminator.compile()

    def __call__(self, indices: Tensor, keys: Tensor) -> StepStatistics:
        """Train one step.

        Args:
            indices: The samples that each update of D sees, int64 ``[discriminator_steps, B]``.
            keys: The step's noise keys, int32 ``[2]``. For a stack, both have the members in front.
        """
        # 1. Noise, the real batches of D's updates, and as many generated ones and one for G. Generated samples have
        #    the labels of the real ones beside them, so that they are as frequent; G's have the last ones'.
        self._schedules.update()
        drawn = self._draws.draw(keys)
        real = [self.real_batch(indices[..., i, :]) for i in range(self._updates)]
        labels = [batch.y for batch in (*real, real[-1])]
        *for_d, for_g = self._generate(drawn.latents, labels, drawn.generator)
        # 2. Augmentation of all that D is going to see, and instance noise on it.
        seen = [*real, *for_d, for_g, *[real[-1]] * self._real_for_g]
        if self._augmentation is not None and drawn.augment is not None:
            seen = self._augmentation(seen, drawn.augment.split(self._batch, int(self._stacked)))
        if self._schedules.instance_noise is not None and drawn.normal is not None:
            noise = instance_noise(drawn.normal, self._schedules.instance_noise)
            parts = noise.split(self._batch, int(self._stacked))
            parts = (*parts, *[parts[self._updates - 1]] * self._real_for_g)  # as for D's last update
            seen = [batch._replace(x=batch.x + part) for batch, part in zip(seen, parts, strict=True)]
        real, for_d = seen[: self._updates], seen[self._updates : 2 * self._updates]
        for_g, *real_for_g = seen[2 * self._updates :]
        # 3. Updates of D; the last one's loss and logits are the step's.
        self.discriminator.parameters.require_gradients(True)
        updates = [
            self._update_discriminator(*inputs)
            for inputs in zip(real, for_d, drawn.updates, drawn.penalties, strict=True)
        ]
        loss_d, real_logits, fake_logits = updates[-1]
        if self._augmentation is not None:
            for _, of_real, _ in updates:
                self._augmentation.observe(of_real)
        # 4. One update of G, against D as it is now.
        self.discriminator.parameters.require_gradients(False)
        seen_by_g = self._logits_now(real_for_g[0], drawn.real) if real_for_g else real_logits
        loss_g = self._update_generator(for_g, seen_by_g, drawn.fake)
        return StepStatistics(loss_d, loss_g, real_logits, fake_logits)

    def real_batch(self, indices: Tensor) -> Batch:
        """Return the samples of these numbers, normalised: ``[..., *sample_shape]`` for indices of any shape.

        Their labels come with them if the networks take labels.
        """
        samples = self._samples.index_select(0, indices.flatten())
        labels = None if self._labels is None else self._labels.index_select(0, indices.flatten()).view(indices.shape)
        return Batch(self._dataset.normalise(samples.unflatten(0, indices.shape)), labels)

    def _generate(self, latents: Tensor, labels: list[Tensor | None], masks: Masks) -> list[Batch]:
        """Return a batch for each update of D, detached, and one for G, whose weights are the same for all."""
        dim = int(self._stacked)
        constant = self._updates * self._batch
        with self._mixed_precision():
            if self._one_pass:
                together = self.generator(Batch(latents, _joined(labels)), masks, constant_rows=constant).float()
                *for_d, for_g = together.split(self._batch, dim)  # each [B, *sample_shape], or [K, B, ...]
                return [Batch(x, y) for x, y in zip((*(x.detach() for x in for_d), for_g), labels, strict=True)]
            pieces = zip(latents.split(self._batch, dim), *(m.split(self._batch, dim) for m in masks), strict=True)
            *for_d, for_g = [(Batch(z, y), own) for (z, *own), y in zip(pieces, labels, strict=True)]
            with torch.no_grad():
                detached = [Batch(self.generator(*inputs).float(), inputs[0].y) for inputs in for_d]
            return [*detached, Batch(self.generator(*for_g).float(), for_g[0].y)]

    def _update_discriminator(
        self, real: Batch, generated: Batch, masks: Masks, for_penalties: list[tuple[Tensor, Masks]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        dim = int(self._stacked)
        with self._mixed_precision():
            if self._per_sample:
                both = Batch(torch.cat((real.x, generated.x), dim), _joined([real.y, generated.y]))
                logits, class_loss = self._judge(both, masks)  # [2 B], or [K, 2 B]
                real_logits, fake_logits = logits.split(self._batch, dim)
            else:
                halves = [mask.split(self._batch, dim) for mask in masks]
                real_logits, of_real = self._judge(real, [half[0] for half in halves])
                fake_logits, of_fake = self._judge(generated, [half[1] for half in halves])
                class_loss = of_real + of_fake
        loss = sum(class_loss, self._objective("discriminator_loss", real_logits, fake_logits))
        terms = [
            penalty(self.discriminator, real, generated, uniform, penalty_masks)
            for penalty, (uniform, penalty_masks) in zip(self._penalties, for_penalties, strict=True)
        ]
        factor = self._schedules.penalty
        for term in (*terms, *(term(real_logits, fake_logits) for term in self._on_logits)):  # scalars, or [K] each
            loss = loss + (term if factor is None else term * factor.view(term.shape))
        self._descend(self.discriminator, loss, self._clip)
        return loss.detach(), real_logits.detach(), fake_logits.detach()

    def _update_generator(self, generated: Batch, real_logits: Tensor, masks: Masks) -> Tensor:
        with self._mixed_precision():
            fake_logits, class_loss = self._judge(generated, masks)
        loss = sum(class_loss, self._objective("generator_loss", real_logits, fake_logits))
        self._descend(self.generator, loss)
        if self._average is not None and self._schedules.average_rate is not None:
            self._average.lerp_(self.generator.parameters.flat, self._schedules.average_rate)
        return loss.detach()

    @torch.no_grad()
    def _logits_now(self, batch: Batch, masks: Masks) -> Tensor:
        with self._mixed_precision():
            return self._judge(batch, masks)[0]

    def _judge(self, batch: Batch, masks: Masks) -> tuple[Tensor, list[Tensor]]:
        """Return D's logits of a batch, ``[B]`` or ``[K, B]``, and the classification loss if there is one.

        Where D names classes, both players minimise ``w E[-log P(y | x)]`` on real and on generated samples (Odena
        et al., 2017): a mean over each batch, also where both are judged at once.
        """
        output = self.discriminator(batch, masks)
        logits = logits_of(output).flatten(int(self._stacked)).float()
        if not isinstance(output, tuple) or batch.y is None:
            return logits, []
        of_classes = output[1].float()  # [B, classes], or [K, B, classes]
        losses = F.cross_entropy(of_classes.flatten(0, -2), batch.y.flatten(), reduction="none").view(batch.y.shape)
        return logits, [self._auxiliary_weight * losses.sum(-1) / self._batch]

    def _descend(self, player: Player, loss: Tensor, clip: Tensor | None = None) -> None:
        parameters = player.parameters
        parameters.differentiate(loss.sum() if self._stacked else loss)
        on_host(self._optimizers[player].update, parameters.gradient)
        if clip is not None:
            parameters.flat.clamp_(-clip, clip)
        parameters.refresh()

    def _mixed_precision(self) -> AbstractContextManager[object]:
        return torch.autocast(self._samples.device.type, torch.bfloat16) if self._autocast else nullcontext()


def _joined(labels: Sequence[Tensor | None]) -> Tensor | None:
    """Return the labels of several batches as those of one, or None where there are none."""
    known = [y for y in labels if y is not None]
    return torch.cat(known, -1) if known else None
