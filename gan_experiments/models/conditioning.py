"""Labels on their way into networks: the parts that ``model.condition`` chooses from.

- ``concat``: both players get the label's unit vector beside their input (Mirza and Osindero, "Conditional Generative
  Adversarial Nets", 2014).
- ``projection``: D's logit is that of an unconditional D plus the inner product of its last features with a vector
  of the class (Miyato and Koyama, "cGANs with Projection Discriminator", 2018).
- ``auxiliary``: D does not see the label; it also says which class a sample is of (Odena, Olah and Shlens,
  "Conditional Image Synthesis with Auxiliary Classifier GANs", 2017).

In all three G gets the label's unit vector beside z.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gan_experiments.errors import UserError


def classes_for(condition: str, classes: int | None) -> int | None:
    """Return the number of classes that networks know with ``model.condition``: those of the data, or None.

    Raises:
        UserError: The networks need labels, and the data have none.
    """
    if condition == "none":
        return None
    if classes is None:
        raise UserError(
            f"model.condition={condition}: needs labels, and these data have none; model.condition=none does without "
            "(data.labels=folders takes the sub-folders of data=image_folder)"
        )
    return classes


def unit_vectors(labels: Tensor | None, classes: int, dtype: torch.dtype) -> Tensor:
    """Return a unit vector for each label: int64 ``[...]`` -> ``[..., classes]``.

    Raises:
        ValueError: There are no labels.
    """
    if labels is None:
        raise ValueError("these networks are conditional: G(z, y) and D(x, y) need labels y")
    # Not torch's one_hot, which looks at the values and so can be neither captured nor vectorised.
    return (labels.unsqueeze(-1) == torch.arange(classes, device=labels.device)).to(dtype)


def labels_beside(x: Tensor, labels: Tensor | None, classes: int | None) -> Tensor:
    """Return ``x`` ``[..., D]`` with the labels' unit vectors before it, ``[..., classes + D]``; or ``x`` alone.

    They come first because in a stack a member's x may be padded at its end.
    """
    return x if classes is None else torch.cat((unit_vectors(labels, classes, x.dtype), x), -1)


def head_width(condition: str, classes: int | None) -> int:
    """Return the number of outputs of D's last layer."""
    return 1 if classes is None or condition == "concat" else 1 + classes


def head_output(condition: str, outputs: Tensor, labels: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
    """Return D's output from those of its last layer, ``[..., head_width]``.

    With W and b the layer's weights of the classes, h its input and f its first output, ``projection`` gives the
    logit ``f + W_y h + b_y``: the bias, which the paper has not, learns how frequent a class is.

    Returns:
        Logits ``[...]``; for ``auxiliary`` these and the logits of classes ``[..., classes]``.
    """
    if outputs.shape[-1] == 1:
        return outputs.squeeze(-1)
    logits, of_classes = outputs[..., 0], outputs[..., 1:]
    if condition == "auxiliary":
        return logits, of_classes
    return logits + (of_classes * unit_vectors(labels, of_classes.shape[-1], of_classes.dtype)).sum(-1)


def labels_in_turn(count: int, classes: int) -> Tensor:
    """Return labels 0, 1, …, classes - 1, 0, 1, … for pictures with a column a class: int64 ``[count]``."""
    return torch.arange(count) % classes


def columns_of(count: int, classes: int | None) -> int | None:
    """Return the columns of a picture of ``count`` samples with labels in turn: each column of one class.

    The picture is as square as that allows. None where not every class has a column.
    """
    if classes is None or classes > count:
        return None
    return classes * min(max(1, round(math.sqrt(count) / classes)), count // classes)


def whole_rows(count: int, classes: int | None) -> int:
    """Return the largest number of samples up to ``count`` that fills whole rows of a column a class."""
    columns = columns_of(count, classes)
    return count if columns is None else count - count % columns
