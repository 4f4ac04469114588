"""Which samples an architecture is made for; imports no torch, so that a configuration can be checked at once."""

from __future__ import annotations

from collections.abc import Sequence

from gan_experiments.errors import UserError


def check_strided(
    sample_shape: Sequence[int], generator_widths: Sequence[int], discriminator_widths: Sequence[int]
) -> None:
    """Make sure that samples can be halved in height and width once for every entry of both lists.

    Args:
        sample_shape: Shape of one sample.
        generator_widths: Channels of the generator's stages.
        discriminator_widths: Channels of the discriminator's stages.

    Raises:
        UserError: They are not images, or their size is not divisible.
    """
    if len(sample_shape) != 3:
        raise UserError(
            f"model=dcgan: needs images, such as data=digits; these samples are points, {sample_shape[0]}-D"
        )
    _, height, width = sample_shape
    for key, widths in (("generator_widths", generator_widths), ("discriminator_widths", discriminator_widths)):
        factor = 2 ** len(widths)
        if height % factor or width % factor:
            raise UserError(
                f"model.{key}={list(widths)}: each entry halves the image, so its sides must be multiples of "
                f"{factor}; they are {height} and {width} (data.image_size)"
            )
