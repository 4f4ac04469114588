"""A step's operations, recorded as they run and then repeated without Python, modules or autograd in between.

What a CUDA graph is to a GPU, for a processor: an operation on a small tensor takes about a microsecond, and finding
out which comes next takes as long again. A recording is the list of those that compute something, each with its
tensors, which stay where they are. Views cost nothing in it, for they are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

aten = torch.ops.aten

_UNFILLED = {
    aten.empty.memory_format, aten.empty_like.default, aten.empty_strided.default, aten.new_empty.default,
    aten.new_empty_strided.default,
}  # fmt: skip
_CONSTANT = {
    aten.ones_like.default,
    aten.zeros_like.default,
    aten.zeros.default,
    aten.ones.default,
    aten.full.default,
}


@dataclass
class _Call:
    """One operation: its arguments, and of the tensors that it returned those that are new, by their position."""

    function: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    results: dict[int, Tensor]

    @property
    def on_host(self) -> bool:
        """Whether it is a function that was handed to ``on_host``, and no operation of torch."""
        return not isinstance(self.function, torch._ops.OpOverload)

    @property
    def changes(self) -> bool:
        """Whether it writes to some of its arguments."""
        return self.on_host or self.function._schema.is_mutable

    def tensors(self) -> list[Tensor]:
        """Return its arguments that are tensors."""
        return _tensors_in((self.arguments, self.keywords))


def on_host(function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function that reads numbers from tensors. A recording repeats the call, not the operations in it.

    Args:
        function: It returns nothing, and writes to tensors in place.
        arguments: Tensors that it reads, and whatever else.
    """
    recorder = _Recorder.active
    if recorder is None:
        function(*arguments)
    else:
        recorder.call_on_host(function, arguments)


class _Recorder(TorchDispatchMode):
    """Notes every operation while it is on.

    Attributes:
        active: The recorder that is on.
        calls: What it noted.
        problem: Name of an operation that cannot be repeated, if there was one.
    """

    active: ClassVar[_Recorder | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.problem: str | None = None
        self._looks_away = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Answer torch that nothing here is for its compiler, whose import takes longer than a thousand steps."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what the operation does, and note it."""
        keywords = kwargs or {}
        out = func(*args, **keywords)
        if self._looks_away:
            return out
        results = dict(enumerate(_tensors_in(out)))
        # A number that Python reads, or a shape that values decide, may be another one in the next step.
        tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.inplace_view}
        if not results or tags & set(func.tags):
            self.problem = self.problem or str(func)
        self.calls.append(_Call(func, *_detached((args, keywords, results))))
        return out

    def call_on_host(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Call a function unseen, and note the call."""
        self._looks_away = True
        function(*arguments)
        own = _detached(arguments)
        self._looks_away = False
        self.calls.append(_Call(function, own, {}, {}))


class Recording:
    """A function's operations on tensors that stay in their places, to be repeated.

    Making one calls the function, once. It must be a function of tensors alone: whatever else it depends on stays as
    it was, as in a CUDA graph.

    Args:
        function: Reads and writes tensors that exist already, and returns new ones.

    Attributes:
        results: What it returned. Each repetition writes over these.
        problem: Name of an operation that cannot be repeated; None where all can.
    """

    def __init__(self, function: Callable[[], Sequence[Tensor]]) -> None:
        recorder = _Recorder()
        _Recorder.active = recorder
        try:
            with recorder:
                self.results = [result.detach() for result in function()]
        finally:
            _Recorder.active = None
        self.problem = recorder.problem
        self._program: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []
        if self.problem is None:
            calls, self.results = _placed(list(_needed(recorder.calls)), self.results)
            self._program = [_repetition(call) for call in calls if call.function not in _UNFILLED]

    def __call__(self) -> None:
        """Repeat all operations."""
        for function, arguments, keywords in self._program:
            function(*arguments, **keywords)


def _needed(calls: list[_Call]) -> Iterator[_Call]:
    """Yield the calls that compute something or make room for it: not views, nor constants, which stay."""
    seen: set[int] = set()
    written = {_address(tensor) for call in calls if call.changes for tensor in call.tensors()}
    for call in calls:
        seen |= {_address(tensor) for tensor in call.tensors()}
        new = {i: tensor for i, tensor in call.results.items() if tensor.numel() and _address(tensor) not in seen}
        made = {_address(tensor) for tensor in new.values()}
        if call.changes or (new and not (call.function in _CONSTANT and not made & written)):
            seen |= made
            yield _Call(call.function, call.arguments, call.keywords, new)


def _placed(calls: list[_Call], results: list[Tensor]) -> tuple[list[_Call], list[Tensor]]:
    """Return calls and results whose tensors share places where they live at different times.

    Fewer bytes are kept that way, and those at work stay in the processor's caches. A tensor lives from the call
    that makes it to the last one that has it; results live to the end.
    """
    # 1. The bytes of each, and its last call.
    size = {_address(t): t.untyped_storage().nbytes() for call in calls for t in call.results.values()}
    last: dict[int, int] = {}
    for i, call in enumerate(calls):
        last |= {_address(tensor): i for tensor in (*call.tensors(), *call.results.values())}
    last |= {_address(tensor): len(calls) for tensor in results}
    # 2. The smallest free place where it fits, or a new one.
    places: dict[int, Tensor] = {}
    free: list[Tensor] = []
    for i, call in enumerate(calls):
        for address in dict.fromkeys(_address(tensor) for tensor in call.results.values()):
            fitting = [place for place in free if len(place) >= size[address]]
            place = min(fitting, key=len) if fitting else torch.empty(size[address], dtype=torch.uint8)
            free = [other for other in free if other is not place]
            places[address] = place
        used = {_address(tensor) for tensor in (*call.tensors(), *call.results.values())}
        free += [places[address] for address in used & places.keys() if last[address] == i]

    # 3. The same tensors there.
    def moved(tensor: Tensor) -> Tensor:
        place = places.get(_address(tensor)) if tensor.numel() else None
        if place is None:
            return tensor
        there = torch.empty(0, dtype=tensor.dtype)
        return there.set_(place.untyped_storage(), tensor.storage_offset(), tensor.shape, tensor.stride())

    return [
        _Call(call.function, *tree_map_only(Tensor, moved, (call.arguments, call.keywords, call.results)))
        for call in calls
    ], [moved(result).copy_(result) for result in results]


def _repetition(call: _Call) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return a function that repeats a call and writes to its results' places, with its arguments."""
    results = list(call.results.values())
    if not results:
        return call.function, call.arguments, call.keywords
    if call.function is aten._to_copy.default:
        return aten.copy_.default, (results[0], call.arguments[0]), {}
    own = [(argument.name, str(argument.type)) for argument in call.function._schema.arguments]
    packet = call.function.overloadpacket
    for overload in () if call.changes else (getattr(packet, name) for name in packet.overloads()):
        targets = [argument.name for argument in overload._schema.arguments if argument.is_out]
        others = [(a.name, str(a.type)) for a in overload._schema.arguments if not a.is_out]
        if len(targets) == len(results) and others == own:
            return overload, call.arguments, {**call.keywords, **dict(zip(targets, results, strict=True))}

    def compute_and_copy(*arguments: Any, **keywords: Any) -> None:
        out = _tensors_in(call.function(*arguments, **keywords))
        for i, target in call.results.items():
            target.copy_(out[i])

    return compute_and_copy, call.arguments, call.keywords


def _tensors_in(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _detached(values: Any) -> Any:
    return tree_map_only(Tensor, Tensor.detach, values)


def _address(tensor: Tensor) -> int:
    """Return where a tensor's memory begins, the same for all its views."""
    return tensor.untyped_storage().data_ptr()
