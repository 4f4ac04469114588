"""What the pages show works as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.commands import Command

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
CONF = (CHECKOUT / "conf" / "README.md").read_text(encoding="utf-8")
LAUNCHERS = (CHECKOUT / "gan_experiments" / "launchers" / "README.md").read_text(encoding="utf-8")


def write_own_files(page: str) -> list[str]:
    """Write the files of a page's section on custom parts to the working directory."""
    names = []
    for content in re.findall(r"```(?:python|yaml)\n(# my_\S+\n.*?)```", page, re.DOTALL):
        path = Path(content.splitlines()[0].removeprefix("# "))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        names.append(str(path))
    return names


@pytest.fixture
def no_module_of_an_earlier_page() -> None:
    """Both pages give their module the same name."""
    sys.modules.pop("my_gan", None)


@pytest.mark.slow
@pytest.mark.usefixtures("no_module_of_an_earlier_page")
@pytest.mark.parametrize(
    ("page", "files", "smaller"),
    [
        (README, ["my_gan.py", "my_conf/model/tiny.yaml"], ["model.width=8", "train.epochs=1"]),
        (
            CONF,
            ["my_gan.py", "my_conf/model/convolutional.yaml", "my_conf/data/noise.yaml"],
            ["model.channels=2", "data.count=60"],
        ),
    ],
    ids=["README.md", "conf/README.md"],
)
def test_own_parts(command: Command, page: str, files: list[str], smaller: list[str]) -> None:
    assert write_own_files(page) == files
    line = re.search(r"^python -m gan_experiments\.run (--config-dir .*)$", page, re.MULTILINE)
    assert line is not None
    answer = command(*line[1].split(), *smaller, "tracking=off", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert "out/artifacts/figures/samples.png" in answer.files
    assert "out/checkpoint.pt" in answer.files


@pytest.mark.usefixtures("no_module_of_an_earlier_page")
def test_a_misspelt_key_of_an_own_architecture(command: Command) -> None:
    own_files = write_own_files(CONF)
    answer = command("--config-dir", "my_conf", "model=convolutional", "model.chanels=3")
    assert answer.status == 2
    assert answer.err.startswith("error: model.chanels=3: no such key; did you mean model.channels?")
    assert sorted(answer.files) == sorted({*own_files, "my_conf", "my_conf/model", "my_conf/data"})


@pytest.mark.parametrize(
    "group",
    ["data", "model", "objective", "penalty", "augment", "train", "evaluate", "tracking", "experiment", "sweep"],
)
def test_the_table_names_every_option_and_key(group: str) -> None:
    from gan_experiments.configuration.compose import CONFIG_DIR
    from gan_experiments.configuration.schema import fields_of
    from gan_experiments.configuration.store import SCHEMAS

    row = re.search(rf"^\| `\+?{group}` \|.*$", README, re.MULTILINE)
    assert row is not None
    words = set(re.findall(r"\w+", row[0]))
    assert {file.stem for file in (CONFIG_DIR / group).glob("*.yaml")} <= words
    if group not in ("data", "experiment"):
        known = {name for of, _, schema in SCHEMAS if of == group for name in fields_of(schema)}
        assert known - {"_target_", "name"} <= words


def test_the_table_of_launchers_names_every_one() -> None:
    from gan_experiments.configuration.compose import CONFIG_DIR

    named = set(re.findall(r"^\| `(\w+)`.*\|$", LAUNCHERS.partition("| `hydra/launcher=` |")[2], re.MULTILINE))
    assert {"basic", *(file.stem for file in (CONFIG_DIR / "hydra" / "launcher").glob("*.yaml"))} <= named
