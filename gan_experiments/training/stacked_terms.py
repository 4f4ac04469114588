"""The members' objectives, penalties or augmentations, computed together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gan_experiments.models.stacking import UnstackableError, is_equal


class Terms:
    """One part of the step for every member of a stack, or for a run by itself: an objective, say, or a penalty.

    A run by itself calls its own object. For a stack, coefficients that differ (numbers among the objects'
    attributes) become tensors ``[K]``, and the first member's object is evaluated under ``torch.vmap`` with each
    member's coefficients in place of its own. Attributes that an object lists in ``changing`` change as it trains:
    they are tensors even for a run by itself, and belong to the step's state.

    Args:
        kind: The kind of the objects, in the plural, for messages.
        members: An object for each member, whose methods depend on nothing but its attributes.
        device: Where the coefficients go.
        later: Objects that may take a member's place.

    Raises:
        UnstackableError: The objects differ in class, or in an attribute that is not a number.
    """

    def __init__(self, kind: str, members: Sequence[Any], device: torch.device, later: Sequence[Any] = ()) -> None:
        self._kind, self._count, self._stacked = kind, len(members), len(members) > 1
        self._first, everyone = members[0], [*members, *later]
        classes = {type(member) for member in everyone}
        if len(classes) > 1:
            names = ", ".join(sorted(cls.__name__ for cls in classes))
            raise UnstackableError(f"the {kind} differ: {names}")
        self._coefficients: dict[str, Tensor] = {}
        self._changing: dict[str, Tensor] = {
            name: torch.tensor([float(getattr(member, name)) for member in members], device=device)  # [K]
            for name in getattr(members[0], "changing", ())
        }
        names = dict.fromkeys(name for member in everyone for name in vars(member)) if self._stacked else {}
        for name in names:
            values = [getattr(member, name, None) for member in everyone]
            if name == "name" or name in self._changing or all(is_equal(value, values[0]) for value in values):
                continue
            if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
                raise UnstackableError(f"the {kind} differ in {name}, which is not a number")
            self._coefficients[name] = torch.tensor(values[: len(members)], dtype=torch.float32, device=device)

    def check(self, newcomer: Any) -> None:
        """Make sure that an object can take a member's place in a stack.

        Raises:
            UnstackableError: It is of another class, or has another value of what all members share.
        """
        if type(newcomer) is not type(self._first):
            names = f"{type(self._first).__name__}, {type(newcomer).__name__}"
            raise UnstackableError(f"the {self._kind} differ: {names}")
        for name in dict.fromkeys((*vars(self._first), *vars(newcomer))):
            shared = name != "name" and name not in self._coefficients and name not in self._changing
            if shared and not is_equal(getattr(self._first, name, None), getattr(newcomer, name, None)):
                raise UnstackableError(f"all {self._kind} of this stack have one {name}")

    def put(self, k: int, newcomer: Any) -> None:
        """Let an object that passed ``check`` take the place of member ``k``."""
        for name, values in (self._coefficients | self._changing).items():
            values[k] = float(getattr(newcomer, name))

    def __call__(self, method: str, *tensors: Tensor) -> Tensor:
        """Return the method's value for tensors ``[...]``; for a stack, all and the result have K in front."""
        return self._compute(method, *tensors)

    def _compute(self, method: str, *tensors: Tensor) -> Any:
        if not self._stacked:
            return self._of_member(method, {name: value[0] for name, value in self._changing.items()}, *tensors)
        return torch.vmap(self._of_member, in_dims=(None, *(0,) * (len(tensors) + 1)))(
            method, self._coefficients | self._changing, *tensors
        )

    def _of_member(self, method: str, coefficients: dict[str, Tensor], *tensors: Tensor) -> Any:
        member = self._first
        if coefficients:
            member = copy.copy(member)
            vars(member).update(coefficients)
        return getattr(member, method)(*tensors)

    def probe(self, method: str, *tensors: Tensor) -> Tensor:
        """Return the method's value where every member gets the same tensors, those of one member.

        Raises:
            UnstackableError: It cannot be computed for several members at once.
        """
        if not self._stacked:
            return self(method, *tensors)
        try:
            return self(method, *(tensor.expand(self._count, *tensor.shape) for tensor in tensors))
        except Exception as error:  # the class may be a user's own, and raise anything
            line = str(error).strip().partition("\n")[0]
            raise UnstackableError(f"{method} of the {self._kind} cannot be vectorised: {line}") from error

    @torch.no_grad()
    def change(self, *tensors: Tensor) -> None:
        """Give the attributes that change the values that the objects' ``after`` returns for tensors ``[...]``."""
        if self._changing:
            values = self._compute("after", *tensors)
            for now, value in zip(self._changing.values(), values, strict=True):
                now.copy_(value)

    @property
    def changing(self) -> dict[str, Tensor]:
        """The attributes that change, ``[K]``."""
        return self._changing

    def state(self, k: int) -> dict[str, Tensor]:
        """Return member ``k``'s values of the attributes that change."""
        return {name: value[k].clone() for name, value in self._changing.items()}

    def load(self, k: int, state: Mapping[str, Tensor]) -> None:
        """Take over for member ``k`` what ``state`` returned."""
        for name, value in self._changing.items():
            value[k] = state[name]

    def attribute(self, name: str, otherwise: Any = None) -> Any:
        """Return the value of an attribute that all members share, or a tensor ``[K]`` where they differ."""
        return self._coefficients.get(name, getattr(self._first, name, otherwise))
