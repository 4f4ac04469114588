"""Overrides of the configuration, ``key=value`` or ``group=option``, read by Hydra's own grammar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser import types
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from gan_experiments.configuration.key_names import GROUPS


@dataclass(frozen=True)
class Override:
    """One override.

    Attributes:
        text: The whole of it, as typed.
        key: Dotted key or group that it sets, as typed but for ``+`` and ``~``: ``train.lr``, ``objective@other``.
        value: Everything right of "=", as typed; None where there is no "=".
    """

    text: str
    key: str
    value: str | None

    @classmethod
    def read(cls, text: str) -> Override:
        """Read what was typed.

        The value may be anything: paths that Hydra takes only in quotes are understood without.

        Raises:
            OverrideParseException: There is no key, or none that Hydra can read.
        """
        left, equals, value = text.partition("=")
        if not equals:
            return cls(text, _key(parse([text])[0]), None)
        try:
            return cls(text, _key_of(left), value)
        except OverrideParseException as error:
            raise OverrideParseException(text, error.message) from error

    @property
    def is_option(self) -> bool:
        """True for an option of a group (``model=mlp``) rather than a value (``train.lr=1e-3``)."""
        return self.name in GROUPS or "/" in self.name

    @property
    def name(self) -> str:
        """The key without the package that an option is put into."""
        return self.key.partition("@")[0]

    @property
    def unquoted(self) -> str:
        """The value without quotes around it; quotes that are a part of it stay."""
        value = self.value or ""
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            try:
                return str(parse([f"value={value}"])[0].value()).replace("\\${", "${")
            except OverrideParseException:  # quotes that begin and end something, but not this
                return value
        return value


def read(texts: Iterable[str]) -> list[Override]:
    """Read several overrides."""
    return [Override.read(text) for text in texts]


def parse(texts: Sequence[str], loader: ConfigLoader | None = None) -> list[types.Override]:
    """Parse overrides into Hydra's own form, in which values are Python objects and sweeps.

    Args:
        texts: As typed.
        loader: Finds the options that ``glob(*)`` stands for.

    Raises:
        OverrideParseException: One cannot be read.
    """
    return OverridesParser.create(loader).parse_overrides(list(texts))


def write(key: str, value: object) -> str:
    """Write an override that sets ``key`` to exactly ``value``, with quotes where Hydra needs them."""
    if value is None:
        return f"{key}=null"
    if isinstance(value, str | Path):
        text = str(value).replace("${", "\\${")  # no interpolation
        return f"{key}={types.QuotedString(text, types.Quote.single).with_quotes()}"
    return f"{key}={value}"


def listed(node: Any) -> list[str]:
    """Return the overrides that a node of Hydra's configuration lists, such as ``hydra.overrides.task``."""
    return OmegaConf.to_container(node, resolve=False)  # type: ignore[return-value]


@lru_cache
def _key_of(left: str) -> str:
    return _key(parse([f"{left}="])[0])


def _key(parsed: types.Override) -> str:
    return parsed.key_or_group if parsed.package is None else f"{parsed.key_or_group}@{parsed.package}"
