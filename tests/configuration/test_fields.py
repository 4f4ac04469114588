from __future__ import annotations

from gan_experiments.configuration.fields import modules_in


def test_the_parts_of_a_folder_are_its_modules() -> None:
    assert "parzen" in modules_in("evaluation/metrics")
    assert list(modules_in("data")) == sorted(modules_in("data"))
    assert not [name for name in modules_in("data") if name.startswith("_")]


def test_a_contract_is_no_part() -> None:
    assert "dataset" in modules_in("data")
    assert set(modules_in("data", "dataset")) == set(modules_in("data")) - {"dataset"}
