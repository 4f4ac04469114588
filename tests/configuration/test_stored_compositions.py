"""Published recipes stay what they are: an experiment composes to the values that it had when it was published.

``compositions/NAME.yaml`` is what ``python -m gan_experiments.run experiment=NAME --cfg job --resolve`` printed then.
A key that has joined since has its schema's default, with which training is what it was without the key. More may be
measured than then.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gan_experiments.tracking.metadata import flatten
from tests.support.configurations import neutral, plain

STORED = Path(__file__).parent / "compositions"


@pytest.mark.parametrize("name", sorted(file.stem for file in STORED.glob("*.yaml")))
def test_an_experiment_composes_to_its_published_values(name: str) -> None:
    then = flatten(yaml.safe_load((STORED / f"{name}.yaml").read_text(encoding="utf-8")))
    now = flatten(plain(f"experiment={name}"))
    measured_then, measured = (set(re.findall(r"\w+", config.pop("evaluate.metrics"))) for config in (then, now))
    assert measured_then <= measured
    assert {key: now.get(key) for key in then} == then
    added = {key: value for key, value in now.items() if key not in then}
    assert added == {key: neutral(key, f"experiment={name}") for key in added}
