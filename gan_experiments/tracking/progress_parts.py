"""Parts of the progress line, each as short as it can be said and longer."""

from __future__ import annotations

from collections.abc import Collection

from tqdm.std import Bar  # pyright: ignore[reportAttributeAccessIssue] its stubs lack it

from gan_experiments.tracking.line_parts import Part
from gan_experiments.tracking.naming import clock, in_words
from gan_experiments.tracking.run_events import Headline

_SUBJECTS = ("mode", "generator", "discriminator")
"""Words of a warning light that say less than the others."""
_NAME = 24
"""Columns of a run's name, shortened."""


def epochs_done(epoch: float, epochs: int) -> Part:
    """Say which epoch it is: ``epoch  7/250``."""
    text = f"{int(epoch):{len(str(epochs))}d}/{epochs}"
    return [text, f"epoch {text}"]


def time_left(seconds: float) -> Part:
    """Say how long it will take: ``1:05 left``."""
    return [f"{clock(seconds)} left"]


def losses(discriminator: float, generator: float) -> Part:
    """Say both losses."""
    return [
        f"D {_brief(discriminator)} G {_brief(generator)}",
        f"loss D {discriminator:.3f} G {generator:.3f}",
    ]


def probabilities(real: float, fake: float) -> Part:
    """Say D's mean probabilities for real and for generated samples."""
    long = f"D(x) {real:.2f} D(G(z)) {fake:.2f}"
    return [long.replace(" 0.", " ."), long]


def score(best: Headline | None) -> Part:
    """Say the last score, if there is one."""
    if best is None:
        return []
    name = in_words(best.name)
    brief = f"{best.value:.3g}"
    return sorted([f"score {brief}", f"{name.split()[-1]} {brief}", f"{name} {best.value:.4g}"], key=len)


def lights(on: Collection[str]) -> Part:
    """Say which warning lights are on, if any is."""
    if not on:
        return []
    names = [in_words(light) for light in sorted(on)]
    words = [" ".join(word for word in name.split() if word not in _SUBJECTS) or name for name in names]
    return [f"!{len(on)}", f"!{', '.join(words)}", f"! {', '.join(names)}"]


def rate(steps_per_second: float, members: int = 1) -> Part:
    """Say how many steps a second there are, and how many of all members together."""
    text = f"{steps_per_second:.0f} steps/s"
    return [text] if members == 1 else [text, f"{text}, {members * steps_per_second:.0f} member-steps/s"]


def bar(done: float) -> Part:
    """Draw how much is done, as a share of 1."""
    return [f"{done:.0%} |{Bar(done, 10)}|", f"{done:.0%} |{Bar(done, 20):20}|"]


def slots(used: int, there: int) -> Part:
    """Say how many slots of a stack are in use, as long as any is: ``3/4 slots``."""
    return [f"{used}/{there} slots"] if used else []


def count(number: int, what: str) -> Part:
    """Say how many runs there are in some state, if there is any: ``12 waiting``."""
    return [f"{number} {what}"] if number else []


def best_score(best: Headline, name: str) -> Part:
    """Say the best score, and whose it is."""
    short, *_, full = score(best)
    return [f"best {short}", f"best {short}: {_shortened(name)}", f"best {short}: {name}", f"best {full}: {name}"]


def lowest_loss(loss: float, name: str) -> Part:
    """Say the lowest loss of G, and whose it is."""
    text = f"lowest loss G {loss:.3f}"
    return [text, f"{text}: {_shortened(name)}", f"{text}: {name}"]


def warned(count: int) -> Part:
    """Say how many members have a warning light on, if any has."""
    return [f"!{count}", f"! {count} warned", f"! {count} with warnings"] if count else []


def _brief(value: float) -> str:
    """Return a number in about four columns."""
    size = abs(value)
    return f"{value:.2f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:.3g}"


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
