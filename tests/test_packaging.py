"""What is installed is complete: the wheel and the sdist carry the configuration, and work away from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[1]
OPTIONS = sorted(str(file.relative_to(CHECKOUT)) for file in (CHECKOUT / "conf").rglob("*.yaml"))

SHIPPED = {
    *(f"gan_experiments/evaluation/{name}.safetensors" for name in ("mnist", "fashion_mnist")),
    *(f"gan_experiments/benchmark/quality/referee_{name}.safetensors" for name in ("mnist", "fashion_mnist")),
    *(f"gan_experiments/data/{name}" for name in ("emoji.png", "emoji.txt", "emoji_license.txt")),
}
"""Files that are no code and that runs read, and the licence of what they show."""


def _call(*command: str, cwd: Path, path: Path | None = None, **environment: str) -> str:
    """Standard output of a command that succeeds, with ``path`` before everything that is installed."""
    variables = os.environ | environment | ({"PYTHONPATH": str(path)} if path else {})
    answer = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    _call(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder), cwd=CHECKOUT)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as pip builds it for those who get no wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder))
    _call(sys.executable, "-m", "pip", "wheel", *options, str(sdist), cwd=folder)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    options = ("--no-deps", "--no-index", "--target", str(folder))
    _call(sys.executable, "-m", "pip", "install", *options, str(wheel), cwd=folder)
    return folder


def test_the_sdist_carries_the_configuration(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*OPTIONS, *SHIPPED, "README.md", "tests/test_packaging.py"} <= names


def test_the_wheel_carries_the_package_and_its_configuration_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {*SHIPPED, *(f"gan_experiments/{option}" for option in OPTIONS)} <= set(names)
    assert "gan_experiments/py.typed" in names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"gan_experiments", "gan_experiments-0.1.0.dist-info", "hydra_plugins"}
    assert "hydra_plugins/__init__.py" not in names  # a package of many owners


def test_the_wheel_works_from_any_folder(installed: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "gan_experiments.run")
    where = "from gan_experiments.configuration.compose import CONFIG_DIR; print(CONFIG_DIR)"
    assert (
        _call(sys.executable, "-c", where, cwd=tmp_path, path=installed).strip()
        == f"{installed}/gan_experiments/conf"
    )
    assert "latent_dim: 3\n" in _call(*command, "--cfg", "job", "model.latent_dim=3", cwd=tmp_path, path=installed)
    assert "quickstart" in _call(*command, "--help", cwd=tmp_path, path=installed)
    assert list(tmp_path.iterdir()) == []


def test_hydra_finds_the_wheels_launcher(installed: Path, tmp_path: Path) -> None:
    script = (
        "from hydra.core.plugins import Plugins; from hydra.plugins.launcher import Launcher;"
        "print([f.__module__ for f in Plugins.instance().discover(Launcher)]);"
        "import hydra_plugins; print(list(hydra_plugins.__path__)[0])"
    )
    found, place = _call(sys.executable, "-c", script, cwd=tmp_path, path=installed).splitlines()
    assert "hydra_plugins.gan_experiments_fused_launcher.launcher" in found
    assert place == f"{installed}/hydra_plugins"
    shown = _call(
        *(sys.executable, "-m", "gan_experiments.run", "--cfg", "hydra", "--package", "hydra.launcher"),
        *("hydra/launcher=fused", "fused.max_members=5"),
        cwd=tmp_path,
        path=installed,
    )
    assert "max_members: 5" in shown or "oc.select:fused.max_members" in shown


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs the program bash")
def test_tab_completes_in_bash(installed: Path, tmp_path: Path) -> None:
    script = """
        eval "$(gan-experiments -sc install=bash)"
        COMP_LINE="gan-experiments tracking=" COMP_POINT=25 COMP_CWORD=1 COMP_WORDS=(gan-experiments tracking=)
        hydra_bash_completion
        echo "${COMPREPLY[@]}"
    """
    programs = f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}"
    offered = _call("bash", "-c", script, cwd=tmp_path, path=installed, PATH=programs)
    assert offered.split() == [f"tracking={option}" for option in ("local", "off", "server", "tensorboard")]
