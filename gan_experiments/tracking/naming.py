"""Names of runs, made from what sets them apart, and of keys and values as people read them."""

from __future__ import annotations

from collections.abc import Sequence

_SILENT_GROUPS = ("hydra", "tracking", "evaluate", "sweep", "fused")
"""Groups that only say where or how a run is recorded, which does not make it another experiment."""
_SILENT_KEYS = ("train.resume", "data.root", "data.download", "device")
_LONGEST = 250


def run_name(overrides: Sequence[str], otherwise: str) -> str:
    """Return a name from what sets a run apart from the defaults, in the order in which it was asked for.

    Keys lose their group where that leaves no doubt: ``model.latent_dim=64 train.lr=2e-4 seed=1`` becomes
    ``latent_dim=64 lr=0.0002 seed=1``; ``data.name=a model.name=b`` keep theirs. Groups keep their name
    (``data=mnist``). Keys that only say where the run is recorded or on what it computes are left out.

    Args:
        overrides: Of the task, as Hydra lists them (``HydraConfig.get().overrides.task``).
        otherwise: The name of a run with nothing special about it.
    """
    from gan_experiments.configuration.override import read  # imports Hydra, which drawing and delivery do not need

    values: dict[str, str] = {}
    for override in read(overrides):
        if not is_silent(override.name):
            values.pop(override.name, None)  # the last of several settles both value and place
            values[override.name] = plain(override.unquoted)
    parts = [f"{key}={value}" for key, value in zip(shortest(list(values)), values.values(), strict=True)]
    name = " ".join(parts) or otherwise
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def is_silent(key: str) -> bool:
    """Tell whether a key only says where a run is recorded, how it is judged, or on what it computes."""
    return key.split(".")[0] in _SILENT_GROUPS or key in _SILENT_KEYS


def shortest(keys: Sequence[str]) -> list[str]:
    """Return dotted keys without their groups, where that leaves no doubt among them."""
    shorts = [key.rpartition(".")[2] for key in keys]
    return [short if shorts.count(short) == 1 else key for short, key in zip(shorts, keys, strict=True)]


def in_words(name: str) -> str:
    """Return the name of a score or a warning light as people write it."""
    return name.replace("_", " ").replace("frechet", "Fréchet")


def duration(seconds: float) -> str:
    """Return a time as people say it: ``45 s``, ``1 min 10 s``, ``2 h 5 min``, ``3 days 4 h``."""
    whole = max(1, round(seconds))
    for size, unit, smaller, name in ((86400, "day", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            many, rest = divmod(round(whole / smaller) * smaller, size)
            plural = "s" if unit == "day" and many != 1 else ""
            return f"{many} {unit}{plural}" + (f" {rest // smaller} {name}" if rest else "")
    return f"{whole} s"


def clock(seconds: float) -> str:
    """Return a time as clocks show it: ``0:45``, ``1:02:05``; from a hundred hours on in days."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours / 24:.0f} days"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def plain(value: str) -> str:
    """Return a value as names show it: ``2e-4`` is ``0.0002``, and a number has six digits at most."""
    try:
        return str(int(value))
    except ValueError:
        pass
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value
