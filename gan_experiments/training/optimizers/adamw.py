"""AdamW: Adam whose weight decay does not pass through the moments."""

from __future__ import annotations

from typing import ClassVar

from gan_experiments.training.optimizers.adam import Adam


class AdamW(Adam):
    """AdamW (Loshchilov and Hutter, 2019), as ``torch.optim.AdamW``.

    Before Adam's step without weight decay, ``w <- w (1 - lr weight_decay)``.
    """

    decoupled: ClassVar[bool] = True


OPTIMIZER = AdamW
