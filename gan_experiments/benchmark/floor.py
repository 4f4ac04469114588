"""What a step costs at least: its operations and bytes, counted, at the rates that this machine was seen to reach.

The roofline model (Williams, Waterman and Patterson, CACM 2009), product by product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.timing import Taken
from gan_experiments.training.adam import Adam, Rates
from gan_experiments.training.trainer import arithmetic

ADAM_WORDS = 7
"""An update reads parameter, gradient and two moments, and writes parameter and moments; float32 each."""
_LARGEST_STREAM = 2**31
_SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Of the square matrices whose product shows the machine's rate."""


@dataclass(frozen=True)
class Product:
    """``[rows, inner] @ [inner, columns]``.

    Attributes:
        transposed: Which factor lies in memory the other way round: the weights going forward (``right``), the
            gradient of the output where it makes that of the weights (``left``), or none.
    """

    rows: int
    inner: int
    columns: int
    transposed: str = ""

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns

    @property
    def elements(self) -> int:
        """Numbers that it reads and writes, each once."""
        return self.rows * self.inner + self.inner * self.columns + self.rows * self.columns


@dataclass(frozen=True)
class StepCount:
    """A step with one update of each player, ``B`` samples a batch.

    G makes ``2 B`` samples in one pass, ``B`` for each player; D sees ``2 B`` in its own update and ``B`` in G's.
    D's update needs no gradient of its input, G's none of D's weights nor of z.

    Attributes:
        products: All matrix products.
        parameters: Of both players.
    """

    products: tuple[Product, ...]
    parameters: int

    @classmethod
    def of(cls, generator: Sequence[int], discriminator: Sequence[int], batch: int) -> StepCount:
        """The count for perceptrons of these widths, from input to output."""
        products = [
            *_forward(generator, 2 * batch),
            *_forward(discriminator, 2 * batch),
            *_of_weights(discriminator, 2 * batch),
            *_of_inputs(discriminator, 2 * batch)[1:],
            *_forward(discriminator, batch),
            *_of_inputs(discriminator, batch),
            *_of_weights(generator, batch),
            *_of_inputs(generator, batch)[1:],
        ]
        parameters = sum(a * b + b for sizes in (generator, discriminator) for a, b in pairwise(sizes))
        return cls(tuple(products), parameters)

    @classmethod
    def of_recipe(cls, recipe: Recipe) -> StepCount:
        """The count of the article's step."""
        return cls.of(recipe.generator_sizes, recipe.discriminator_sizes, recipe.train.batch_size)

    @property
    def flops(self) -> int:
        """Of all products."""
        return sum(product.flops for product in self.products)

    @property
    def state_bytes(self) -> int:
        """Where parameters, gradients and both moments lie."""
        return 4 * 4 * self.parameters

    @property
    def adam_bytes(self) -> int:
        """That both updates read and write."""
        return ADAM_WORDS * 4 * self.parameters

    def seconds(self, per_flop: float, per_byte: float, element_bytes: int = 4) -> float:
        """The floor: each product at its dearer side, operations or bytes, then Adam's bytes."""
        products = sum(max(p.flops * per_flop, p.elements * element_bytes * per_byte) for p in self.products)
        return products + self.adam_bytes * per_byte


def _forward(sizes: Sequence[int], rows: int) -> list[Product]:
    return [Product(rows, a, b, "right") for a, b in pairwise(sizes)]


def _of_weights(sizes: Sequence[int], rows: int) -> list[Product]:
    return [Product(b, rows, a, "left") for a, b in pairwise(sizes)]


def _of_inputs(sizes: Sequence[int], rows: int) -> list[Product]:
    return [Product(rows, b, a) for a, b in pairwise(sizes)]


def large_product(device: torch.device, precision: str) -> tuple[Iterator[Taken], int]:
    """A product of large square matrices again and again, and its operations."""
    side = _SIDE[device.type]
    product = Product(side, side, side)
    return _multiply([_operands(product, device, precision)], precision), product.flops


def streaming(device: torch.device, size: int) -> tuple[Iterator[Taken], int]:
    """A pass that changes ``size`` bytes (at most 2 GiB) in place, again and again, and the bytes that it moves.

    Adam works in place, too. A copy would be slower: it also fetches what it overwrites. The size matters, because
    caches do: it should be what Adam touches.
    """
    words = torch.ones(min(size, _LARGEST_STREAM) // 4, device=device)

    def change() -> Iterator[Taken]:
        while True:
            words.mul_(1.0)
            yield Taken(1)

    return change(), 2 * 4 * len(words)


def bare_step(count: StepCount, device: torch.device, precision: str) -> Iterator[Taken]:
    """The step's products in their own shapes and one update of Adam over as many parameters; nothing else."""
    multiply = _multiply([_operands(product, device, precision) for product in count.products], precision)
    parameters = torch.zeros(count.parameters, device=device)
    gradient = torch.ones_like(parameters)
    adam = Adam(parameters, [Rates(2e-4, (0.9, 0.999))])
    for taken in multiply:
        adam.update(gradient)
        yield taken


def _operands(product: Product, device: torch.device, precision: str) -> tuple[Tensor, Tensor, Tensor]:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def matrix(rows: int, columns: int, transposed: bool) -> Tensor:
        shape = (columns, rows) if transposed else (rows, columns)
        values = torch.randn(shape, device=device).to(dtype)
        return values.T if transposed else values

    left = matrix(product.rows, product.inner, product.transposed == "left")
    right = matrix(product.inner, product.columns, product.transposed == "right")
    return left, right, left.new_empty(product.rows, product.columns)


def _multiply(operands: Sequence[tuple[Tensor, Tensor, Tensor]], precision: str) -> Iterator[Taken]:
    while True:
        with arithmetic(precision):
            for left, right, out in operands:
                torch.mm(left, right, out=out)
        yield Taken(1)
