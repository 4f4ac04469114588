"""What the two players minimise, on logits.

D(x) is the sigmoid of the logit r of a real sample, D(G(z)) that of the logit f of a generated one. With
``softplus(t) = log(1 + e^t)``: ``-log D(x) = softplus(-r)`` and ``-log(1 - D(G(z))) = softplus(f)``, which stay
exact where the sigmoid rounds to 0 or 1. Where D is no classifier but a critic (least squares, hinge, both
Wassersteins), r and f are its outputs as they are, and no sigmoid is part of the loss.

An objective of a user's own is any class with ``discriminator_loss`` and ``generator_loss``;
``objective._target_`` names it, and the other keys of the group, but for ``name``, are its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn import functional as F

from gan_experiments.penalties import Gradient, Penalty


class Objective(ABC):
    """A pair of losses, each a mean over the batch.

    Args:
        name: The objective's name; for people.

    Attributes:
        clip: After each of its updates D's weights are clamped to plus and minus this; None for no clamping.
        generator_sees_real: Whether G's loss needs D's logits of real samples as they are after D's update.
        logits_have_origin: Whether a logit of 0 means that D is undecided. False for Wasserstein critics, whose
            outputs are defined up to a constant: their sigmoid is no probability, and the size of G's loss means
            nothing.
    """

    clip: float | None = None
    generator_sees_real: bool = False
    logits_have_origin: bool = True

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def penalty(self) -> Penalty | None:
        """A penalty that belongs to the objective, beside the one that the ``penalty`` group chooses."""
        return None

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of D, a scalar, from the logits ``[B]`` of real and of generated samples."""

    @abstractmethod
    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of G, a scalar; ``fake`` carries the gradient to G, ``real`` is the latest real batch's logits.

        The latter are of D before its last update, or after it where ``generator_sees_real``.
        """


class _ValueFunction(Objective):
    """D's side of the game ``min_G max_D E[log D(x)] + E[log(1 - D(G(z)))]`` (Goodfellow et al., 2014, eq. 1).

    Args:
        name: The objective's name; for people.
        label_smoothing: One-sided: D's target for real samples is 1 minus this (Salimans et al., "Improved
            Techniques for Training GANs", 2016, section 3.4; 0.1 there).
    """

    def __init__(self, name: str, label_smoothing: float = 0.0) -> None:
        super().__init__(name)
        self.label_smoothing = label_smoothing

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]``: the sum of both cross-entropies, 2 log 2 at equilibrium.

        With smoothing s, ``-(1 - s) E[log D(x)] - s E[log(1 - D(x))]`` in place of the first.
        """
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        if isinstance(self.label_smoothing, Tensor) or self.label_smoothing:
            loss = loss + self.label_smoothing * real.mean()  # softplus(r) = softplus(-r) + r
        return loss


class NonSaturating(_ValueFunction):
    """G minimises ``-E[log D(G(z))]``: the article's flipped targets, BCE(D(G(z)), 1).

    Goodfellow et al., "Generative Adversarial Nets", 2014, section 3: the same fixed point as minimax, but with
    strong gradients early in learning. Many libraries call this one "minimax".
    """

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[log D(G(z))]``; log 2 at equilibrium."""
        return F.softplus(-fake).mean()


class Minimax(_ValueFunction):
    """G minimises ``E[log(1 - D(G(z)))]``: the literal value function, which saturates where D is confident.

    Goodfellow et al., "Generative Adversarial Nets", 2014, eq. 1. This is not what the article trains.
    """

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[log(1 - D(G(z)))]``; -log 2 at equilibrium."""
        return -F.softplus(fake).mean()


class LeastSquares(Objective):
    """D is drawn towards one target on real samples and another on generated ones, G towards a third.

    Mao et al., "Least Squares Generative Adversarial Networks", 2017, eq. 2; the defaults are its eq. 9.

    Args:
        name: The objective's name; for people.
        real_target: What D should say of real samples; b in the paper.
        fake_target: What D should say of generated samples; a in the paper.
        generator_target: What G wants D to say of generated samples; c in the paper.
    """

    def __init__(
        self, name: str, real_target: float = 1.0, fake_target: float = 0.0, generator_target: float = 1.0
    ) -> None:
        super().__init__(name)
        self.real_target, self.fake_target, self.generator_target = real_target, fake_target, generator_target

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``1/2 E[(r - b)^2] + 1/2 E[(f - a)^2]``; 1/4 at the default targets' equilibrium."""
        return 0.5 * ((real - self.real_target).square().mean() + (fake - self.fake_target).square().mean())

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``1/2 E[(f - c)^2]``; 1/8 at the default targets' equilibrium."""
        return 0.5 * (fake - self.generator_target).square().mean()


class Hinge(Objective):
    """D is indifferent to samples beyond a margin of 1 on the right side.

    Lim and Ye, "Geometric GAN", 2017; Miyato et al., "Spectral Normalization for Generative Adversarial Networks",
    2018, eq. 16 and 17.
    """

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[max(0, 1 - r)] + E[max(0, 1 + f)]``; 2 at equilibrium."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[f]``."""
        return -fake.mean()


class Wasserstein(Objective):
    """The dual form of the Wasserstein-1 distance, with a critic D whose weights are clipped.

    Arjovsky, Chintala and Bottou, "Wasserstein Generative Adversarial Networks", 2017, algorithm 1. Theirs takes
    five updates of D (``train.discriminator_steps``) and RMSProp, where here as everywhere Adam is used.

    Args:
        name: The objective's name; for people.
        clip: D's weights are kept in [-clip, clip], which bounds its slope; None for no clipping, where a
            penalty is to bound it.
    """

    logits_have_origin = False

    def __init__(self, name: str, clip: float | None = 0.01) -> None:
        super().__init__(name)
        self.clip = clip

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[f] - E[r]``: minus the estimate of the distance, up to a factor."""
        return fake.mean() - real.mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[f]``."""
        return -fake.mean()


class WassersteinGP(Wasserstein):
    """The dual form of the Wasserstein-1 distance, with a gradient penalty in place of clipping.

    ``E[f] - E[r] + lambda E[(|grad D(e x + (1 - e) G(z))| - 1)^2]`` for D: Gulrajani et al., "Improved Training of
    Wasserstein GANs", 2017, eq. 3. Theirs takes five updates of D and Adam with betas 0 and 0.9.

    Args:
        name: The objective's name; for people.
        gradient_penalty: Weight of the penalty; lambda in the paper.
    """

    def __init__(self, name: str, gradient_penalty: float = 10.0) -> None:
        super().__init__(name, clip=None)
        self.gradient_penalty = gradient_penalty

    @property
    def penalty(self) -> Penalty:
        """The gradient penalty."""
        return Gradient("gradient", self.gradient_penalty)


class Relativistic(Objective):
    """D says how much more real a real sample is than a generated one, and G wants the opposite.

    Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", 2018. Pairs
    (RpGAN) with ``penalty=r1_r2`` are the objective of Huang et al., "The GAN is dead; long live the GAN! A Modern
    Baseline GAN" (R3GAN), 2024; without a penalty they need not converge.

    Args:
        name: The objective's name; for people.
        pairing: ``pairs`` holds the i-th real sample of a batch against the i-th generated one; ``mean`` holds
            each sample against the mean of the other kind (RaGAN).
    """

    generator_sees_real = True

    def __init__(self, name: str, pairing: str = "pairs") -> None:
        super().__init__(name)
        self.pairing = pairing

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[softplus(-(r - f))]``; log 2 at equilibrium.

        With ``mean``, ``E[softplus(-(r - E f))] + E[softplus(f - E r)]``; 2 log 2 at equilibrium.
        """
        if self.pairing == "pairs":
            return F.softplus(fake - real).mean()
        return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """D's loss with real and generated samples exchanged."""
        return self.discriminator_loss(fake, real)
