"""How slots were used, in words."""

from __future__ import annotations

from collections.abc import Mapping


def in_words(slots: Mapping[str, int]) -> str:
    """Return how slots were used, as the launcher counted it."""
    runs, programs = (
        f"{slots[key]} {name}{'' if slots[key] == 1 else 's'}"
        for key, name in (("runs", "run"), ("programs_built", "program"))
    )
    through = f"{runs} through {slots['slots']} slots of {programs}"
    in_all = share(slots["slot_steps_used_in_all"], slots["slot_steps_in_all"])
    if not slots["slot_steps"]:
        return f"{through}; none had to wait, and {in_all} of their steps were spent on runs"
    while_waiting = share(slots["slot_steps_used_while_waiting"], slots["slot_steps"])
    return f"{through}; {while_waiting} of their steps were spent on runs while any waited, {in_all} in all"


def share(part: int, whole: int) -> str:
    """Return a part of a whole in per cent."""
    return f"{100 * part / max(whole, 1):.1f} %"
