from __future__ import annotations

import importlib
import pickle
from dataclasses import MISSING as NO_DEFAULT
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import gan_experiments
from gan_experiments.configuration import part_schemas
from gan_experiments.configuration.fields import modules_in
from gan_experiments.configuration.part_schemas import FOLDERS, PART_SCHEMAS, read, schema_of
from gan_experiments.configuration.schema import fields_of

PACKAGE = Path(gan_experiments.__file__).parent


def described(schema: type) -> dict[str, Any]:
    """All that a schema says of its keys, in a form that can be compared."""
    return {
        name: (
            kind,
            spec.default_factory() if spec.default_factory is not NO_DEFAULT else spec.default,
            spec.metadata["meaning"],
            spec.metadata["allowed"] and spec.metadata["allowed"].words,
            spec.metadata["shared"],
        )
        for name, (kind, spec) in fields_of(schema).items()
    }


def test_defaults_lists_of_users_may_name_them() -> None:
    assert {name for _, name, _ in PART_SCHEMAS} >= {
        "schema_image_data",
        "schema_idx_data",
        "schema_stacked_data",
        "schema_image_folder_data",
        "schema_mixture_data",
        "schema_mlp",
        "schema_dcgan",
        "schema_objective",
        "schema_value_function",
        "schema_least_squares",
        "schema_wasserstein",
        "schema_wasserstein_gp",
        "schema_relativistic",
        "schema_penalty",
        "schema_no_penalty",
        "schema_le_cam",
        "schema_no_augmentation",
        "schema_flip",
        "schema_diff_augment",
        "schema_ada",
    }


def test_they_are_those_that_the_parts_define() -> None:
    defined = {}
    for folder in FOLDERS:
        for module in modules_in(folder):
            part = importlib.import_module(f"gan_experiments.{folder.replace('/', '.')}.{module}")
            own = {
                name: value for name, value in vars(part).items() if getattr(value, "__module__", "") == part.__name__
            }
            defined |= {name: value for name, value in own.items() if name.endswith("Config")}
    assert {schema.__name__: described(schema) for _, _, schema in PART_SCHEMAS} == {
        name: described(schema) for name, schema in defined.items()
    }


@pytest.mark.parametrize(("group", "schema"), [(group, schema) for group, _, schema in PART_SCHEMAS])
def test_a_configuration_goes_to_another_process_with_its_schema(group: str, schema: type) -> None:
    node = pickle.loads(pickle.dumps(OmegaConf.structured(schema)))
    assert OmegaConf.get_type(node) is getattr(part_schemas, schema.__name__) is schema


def test_a_new_part_brings_its_schema_along(tmp_path: Path) -> None:
    (tmp_path / "objectives").mkdir()
    (tmp_path / "objectives" / "a_toy.py").write_text(
        "from torch import Tensor\n\n\n"
        "@dataclass\nclass ToyGPConfig(BaseConfig):\n    margin: float = setting(2.0, 'a margin', above(0))\n\n\n"
        "class Toy:\n    pass\n"
    )
    (tmp_path / "objectives" / "base.py").write_text(
        "@dataclass\nclass BaseConfig:\n    name: str = setting(MISSING, 'a name')\n"
    )
    found = read(tmp_path, dict(vars(part_schemas)))
    assert [(group, name) for group, name, _ in found] == [
        ("objective", "schema_toy_gp"),
        ("objective", "schema_base"),
    ]
    toy = found[0][2]
    assert list(fields_of(toy)) == ["name", "margin"]
    assert described(toy)["margin"] == (float, 2.0, "a margin", "above 0", "value")


def test_a_mistake_in_a_schema_is_shown_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "wrong.py"
    file.write_text("import torch\n\n\n@dataclass\nclass WrongConfig:\n    size: int = setting(1, 'x', unknown(1))\n")
    with pytest.raises(NameError, match="unknown") as caught:
        read(tmp_path, dict(vars(part_schemas)))
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno) == (file, 5)


def test_a_target_finds_its_schema() -> None:
    schema = schema_of("model", "gan_experiments.models.mlp.build")
    assert schema is not None
    assert schema.__name__ == "MLPConfig"
    assert schema_of("model", "my_gan.build") is None
    assert schema_of("data", "gan_experiments.models.mlp.build") is None
