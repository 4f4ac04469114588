"""The least time of a step: its operations and bytes, counted, at the rates measured on this machine.

The roofline model (Williams, Waterman and Patterson, CACM 2009), product by product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.benchmark.repetition import repeated
from gan_experiments.benchmark.timing import StepsTaken
from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.training.arithmetic import arithmetic
from gan_experiments.training.optimizers.adam import Adam
from gan_experiments.training.optimizers.optimizer import rates_of

ADAM_WORDS = 7
"""An update reads parameter, gradient and two moments, and writes parameter and moments; float32 each."""
_LARGEST_STREAM = 2**31
_CACHES = 4
"""Times a GPU's L2 cache that are streamed at least, for the rate of its memory."""
_SIDE = {"cpu": 2048, "cuda": 8192, "mps": 4096}
"""Side of the square matrices whose product shows the machine's rate, by type of device."""


@dataclass(frozen=True)
class Product:
    """``[rows, inner] @ [inner, columns]``.

    Attributes:
        transposed: The factor that is stored transposed: the weights in a forward pass (``right``), the gradient of
            the output when it gives that of the weights (``left``), or none.
    """

    rows: int
    inner: int
    columns: int
    transposed: str = ""

    @property
    def flops(self) -> int:
        """Number of multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns

    @property
    def elements(self) -> int:
        """Number of elements read and written, each once."""
        return self.rows * self.inner + self.inner * self.columns + self.rows * self.columns


@dataclass(frozen=True)
class StepCount:
    """The cost of a step with one update of each player, ``B`` samples a batch.

    G makes ``2 B`` samples in one pass, ``B`` for each player; D sees ``2 B`` in its own update and ``B`` in G's.
    D's update needs no gradient of its input, G's none of D's weights nor of z.

    Attributes:
        products: All matrix products.
        parameters: Number of parameters of both players.
    """

    products: tuple[Product, ...]
    parameters: int

    @classmethod
    def of(cls, generator: Sequence[int], discriminator: Sequence[int], batch: int) -> StepCount:
        """Count a step of perceptrons of these widths, given from input to output."""
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
        """Count the article's step."""
        return cls.of(recipe.generator_sizes, recipe.discriminator_sizes, recipe.train.batch_size)

    @property
    def flops(self) -> int:
        """Number of operations of all products."""
        return sum(product.flops for product in self.products)

    @property
    def state_bytes(self) -> int:
        """Bytes of the parameters, gradients and both moments."""
        return 4 * 4 * self.parameters

    @property
    def adam_bytes(self) -> int:
        """Bytes moved by both Adam updates."""
        return ADAM_WORDS * 4 * self.parameters

    def seconds(self, per_flop: float, per_byte: float, element_bytes: int = 4) -> float:
        """Return the floor: the larger time of each product, by operations or by bytes, plus that of Adam's bytes."""
        products = sum(max(p.flops * per_flop, p.elements * element_bytes * per_byte) for p in self.products)
        return products + self.adam_bytes * per_byte


def _forward(sizes: Sequence[int], rows: int) -> list[Product]:
    return [Product(rows, a, b, "right") for a, b in pairwise(sizes)]


def _of_weights(sizes: Sequence[int], rows: int) -> list[Product]:
    return [Product(b, rows, a, "left") for a, b in pairwise(sizes)]


def _of_inputs(sizes: Sequence[int], rows: int) -> list[Product]:
    return [Product(rows, b, a) for a, b in pairwise(sizes)]


def large_product(device: torch.device, precision: str) -> tuple[Iterator[StepsTaken], int]:
    """Multiply large square matrices again and again.

    Returns:
        The endless repetition, and the operations of one product.
    """
    side = _SIDE[device.type]
    product = Product(side, side, side)
    multiply = _multiplication([_operands(product, device, precision)], precision)
    return repeated(multiply, device), product.flops


def streaming(device: torch.device, size: int) -> tuple[Iterator[StepsTaken], int]:
    """Change about ``size`` bytes (at most 2 GiB) in place, again and again.

    Adam works in place, too. A copy would be slower, because it also fetches what it overwrites. The size matters
    because of caches: on a CPU it is the size that Adam touches. The article's 47 MB would stay in the L2 cache of a
    large GPU, which is several times as fast as its memory, while in a step the products pass through the cache
    between two updates: so there it is at least four times the cache.

    Returns:
        The endless repetition, and the bytes that one pass moves.
    """
    words = torch.ones(_streamed(device, size) // 4, device=device)
    return repeated(lambda: words.mul_(1.0), device), 2 * 4 * len(words)


def _streamed(device: torch.device, size: int) -> int:
    if device.type == "cuda":
        size = max(size, _CACHES * torch.cuda.get_device_properties(device).L2_cache_size)
    return min(size, _LARGEST_STREAM)


def bare_step(count: StepCount, device: torch.device, precision: str) -> Iterator[StepsTaken]:
    """Repeat the step's products in their own shapes and one Adam update of as many parameters; nothing else."""
    multiply = _multiplication([_operands(product, device, precision) for product in count.products], precision)
    parameters = torch.zeros(1, count.parameters, device=device)
    gradient = torch.ones_like(parameters)
    adam = Adam(parameters, [rates_of(TrainConfig())])

    def step() -> None:
        multiply()
        adam.update(gradient)

    return repeated(step, device)


def _operands(product: Product, device: torch.device, precision: str) -> tuple[Tensor, Tensor, Tensor]:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32

    def matrix(rows: int, columns: int, transposed: bool) -> Tensor:
        shape = (columns, rows) if transposed else (rows, columns)
        values = torch.randn(shape, device=device).to(dtype)
        return values.T if transposed else values

    left = matrix(product.rows, product.inner, product.transposed == "left")
    right = matrix(product.inner, product.columns, product.transposed == "right")
    return left, right, left.new_empty(product.rows, product.columns)


def _multiplication(operands: Sequence[tuple[Tensor, Tensor, Tensor]], precision: str) -> Callable[[], None]:
    def multiply() -> None:
        with arithmetic(precision):
            for left, right, out in operands:
                torch.mm(left, right, out=out)

    return multiply
