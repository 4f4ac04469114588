"""The answer to ``--help``, put together from the YAML files, the schemas and the pages that exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from gan_experiments.configuration.compose import CONFIG_DIR, compose
from gan_experiments.configuration.key_names import GROUPS
from gan_experiments.configuration.schema import Config, fields_of

_HEAD = """\
Trains generative adversarial networks, watches them, and makes their runs comparable in MLflow.

  python -m gan_experiments.run [GROUP=OPTION ...] [KEY=VALUE ...]

Examples:
  python -m gan_experiments.run                                        good digits in a minute or two
  python -m gan_experiments.run experiment=quickstart                  half a minute on a CPU
  python -m gan_experiments.run model.latent_dim=64 train.lr=1e-4      a single run of your own
  python -m gan_experiments.run experiment=conditional                 digits class by class
  python -m gan_experiments.run -m train.lr=1e-4,2e-4 'seed=range(4)'  a sweep: eight runs
  python -m gan_experiments.run -m hydra/launcher=fused 'seed=range(8)'  trained together, as one program
  python -m gan_experiments.run -m hydra/launcher=fused sweep.prune=asha +sweep=around_article  prunes settings
  python -m gan_experiments.run -m hydra/launcher=submitit_slurm 'seed=range(8)'  as jobs of a cluster
  python -m gan_experiments.run -m +sweep=widths 'seed=range(3)'       a sweep that a file describes
  python -m gan_experiments.run -m +sweep=search                       a search: Optuna chooses what to try next
  python -m gan_experiments.run -m sweep.resume=SWEEP_DIR              resume a sweep
  python -m gan_experiments.run train.resume=RUN_DIR train.epochs=200  resume a run
  mlflow ui                                                            look at the runs in a browser
"""
_TAIL = """\
--cfg job shows the configuration that a command line gives, and --hydra-help Hydra's own flags.
Tab completion, for the same command under a shorter name: eval "$(gan-experiments -sc install=bash)"
"""
_WIDTH = 118
_PACKAGE = Path(__file__).parents[1]


def text(overrides: Sequence[str]) -> str:
    """Return the whole answer, with the values that ``overrides`` give as defaults.

    Args:
        overrides: As on the command line.
    """
    cfg = compose(overrides, with_hydra=True)
    HydraConfig.instance().set_config(cfg)
    sections = [_HEAD, "Groups, with the option taken by default marked *:\n"]
    sections += [_options(CONFIG_DIR / name, cfg.hydra.runtime.choices) for name in GROUPS]
    sections += ["Keys, with their defaults:\n", "\n".join(_keys("", cfg, Config)) + "\n"]
    groups = ["\n".join(_keys(name, cfg[name], OmegaConf.get_type(cfg[name]))) for name in _groups(cfg)]
    return "\n".join([*sections, *(f"{keys}\n" for keys in groups if keys), _TAIL + _pages()])


def _groups(cfg: DictConfig) -> list[str]:
    return [name for name in fields_of(Config) if isinstance(cfg.get(name), DictConfig)]


def _pages() -> str:
    """Return a paragraph with the paths of all pages: the first ones to read, then one for each folder."""
    root = _PACKAGE.parent
    first = [folder / "README.md" for folder in (root, CONFIG_DIR, _PACKAGE)]
    pages = dict.fromkeys([*first, *sorted(_PACKAGE.glob("*/README.md"))])
    paths = ", ".join(page.relative_to(root).as_posix() for page in pages if page.is_file())
    return TextWrapper(_WIDTH, subsequent_indent="  ").fill(f"Pages to read: {paths}") + "\n"


def _options(folder: Path, choices: Any) -> str:
    files = sorted(folder.glob("*.yaml"))
    lines = [
        f"    {'*' if choices.get(folder.name) == file.stem else ' '} {file.stem:<16} {_first_comment(file)}"
        for file in files
    ]
    return "\n".join([f"  {folder.name}", *lines, ""])


def _first_comment(file: Path) -> str:
    """Return the first comment of an option's file that is not an instruction to Hydra."""
    comments = (line[1:].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def _keys(group: str, node: DictConfig, schema: type | None) -> Iterator[str]:
    """Yield a paragraph for each key of a group; the meaning of a custom group's keys is not known here."""
    known = fields_of(schema) if is_dataclass(schema) else {}
    for name, value in node.items_ex(resolve=False):
        metadata = known[name][1].metadata if name in known else {}
        if name in ("_target_", "name") or not (metadata or group):
            continue
        key = f"{group}.{name}".lstrip(".")
        if str(value).startswith("${oc.env:"):
            value = _from_environment(node, str(name))
        shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        allowed = f" ({metadata['allowed'].words})" if metadata.get("allowed") else ""
        paragraph = TextWrapper(_WIDTH, initial_indent=f"  {key:<26} {shown:<19} ", subsequent_indent=" " * 49)
        yield paragraph.fill(metadata.get("meaning", "") + allowed)


def _from_environment(node: DictConfig, name: str) -> str:
    """Return a value that an environment variable may say; ``???`` where it must, and does not."""
    try:
        return str(node[name])
    except InterpolationResolutionError:
        return "???"
