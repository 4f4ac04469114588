"""A line that fits: parts that can be said at several lengths, chosen for the columns that there are."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm.utils import disp_len

_BETWEEN = ", "

Part = Sequence[str]
"""One part of a line, as short as it can be said and longer."""


def fit(parts: Sequence[Part], columns: int, longer: Sequence[int] = (), extras: Sequence[Part] = ()) -> str:
    """Return a line of parts that is no longer than ``columns``.

    Every part that fits is there, the first ones before the others; then parts are said more fully as long as there
    is room, and then come extras. What does not fit is left out whole.

    Args:
        parts: The most important first; an empty one says nothing.
        columns: Columns that there are.
        longer: Numbers of parts that are said more fully before the others.
        extras: Parts that come last, and only where everything else has been said.
    """
    line = _fit(parts, columns, longer)
    more = _fit(extras, columns - disp_len(line + _BETWEEN), ())
    return _BETWEEN.join(filter(None, (line, more)))


def _fit(parts: Sequence[Part], columns: int, longer: Sequence[int]) -> str:
    chosen = dict.fromkeys(range(len(parts)), "")

    def room() -> int:
        return columns - disp_len(_BETWEEN.join(filter(None, chosen.values())))

    for number, part in enumerate(parts):
        shortest = min(part, key=disp_len, default="")
        if disp_len(shortest) + (len(_BETWEEN) if any(chosen.values()) else 0) <= room():
            chosen[number] = shortest
    for number in (*longer, *chosen):
        if chosen[number]:
            there = room() + disp_len(chosen[number])
            chosen[number] = max((text for text in parts[number] if disp_len(text) <= there), key=disp_len)
    return _BETWEEN.join(filter(None, chosen.values()))
