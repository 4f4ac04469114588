"""Everything a person can get wrong at the start of a run, through the command itself."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gan_experiments.configuration.command_line import check_alone
from tests.support.commands import Command
from tests.support.real_runs import without_waiting

HEADER = {"images": "00000803 0000ea60 0000001c 0000001c", "labels": "00000801 0000ea60"}


def one_line(command: Command, *arguments: str) -> str:
    """The line that refuses ``arguments``, after the properties that every refusal has."""
    before = sorted(str(path) for path in Path.cwd().rglob("*"))
    answer = command(*arguments)
    assert answer.status == 2
    assert answer.err.startswith("error: ")
    assert answer.err.endswith("\n")
    assert answer.err.count("\n") == 1
    assert answer.out == ""
    assert sorted(str(path) for path in Path.cwd().rglob("*")) == before
    return answer.err.removeprefix("error: ")


# What was typed, and what the line must contain: the key, the value, what is allowed.
REFUSED = {
    "hydra.output_subdir=null": "hydra.output_subdir=null: must be .hydra; a run is resumed from what lies there",
    # keys and options
    "train.lrr=1": "train.lrr=1: no such key; did you mean train.lr? train has epochs, batch_size, lr,",
    "+train.lrr=1": "train.lrr=1: no such key; did you mean train.lr? train has epochs, batch_size, lr,",
    "++train.lrr=1": "train.lrr=1: no such key; did you mean train.lr? train has epochs, batch_size, lr,",
    "trian.lr=1": "trian.lr=1: no such key; did you mean train.lr? the top level has hydra, data, model,",
    "lr=1": "lr=1: no such key; did you mean train.lr?",
    "+foo=1": "foo=1: no such key; the top level has data, model,",
    "modle=mlp": "modle=mlp: no such key; did you mean model?",
    "experimnt=article": "experimnt=article: no such key; did you mean experiment?",
    "hydra/luncher=basic": "hydra/luncher=basic: no such key; did you mean hydra/launcher?",
    "hydra.run.dri=x": "hydra.run.dri=x: no such key; did you mean hydra.run.dir?",
    "data.modes=3": "data.modes=3: no such key; data has name, root, image_size, download",
    "tracking.tags.me=1": "tracking.tags has none yet; a new one is added with +tracking.tags.me=1",
    "~train.lr": "~train.lr: cannot be deleted; every key of the schema is needed",
    "~seed": "seed: is missing; it must be a whole number",
    "model=nope": "model=nope: no such option; model has dcgan, mlp, mlp_large, mlp_medium, mlp_small",
    "experiment=nope": "experiment=nope: no such option; experiment has article, colour, conditional, ",
    "model=null": "model=null: must name one of the options of model",
    # types
    "train.lr=abc": "train.lr=abc: must be a number, above 0",
    "train.epochs=1.5": "train.epochs=1.5: must be a whole number, at least 1",
    "train.epochs=null": "train.epochs=null: must be a whole number, at least 1",
    "seed=true": "seed=true: must be a whole number, at least 0",
    "data.download=perhaps": "data.download=perhaps: must be true or false",
    "model.generator_widths=256": "model.generator_widths=256: must be a list of whole numbers, not empty",
    "model.generator_widths=[a]": "model.generator_widths=[a]: must be a list of whole numbers, not empty",
    "train.lr.x=1": "train.lr.x=1: must be a number, above 0",
    # ranges
    "train.lr=0": "train.lr=0.0: must be a number, above 0",
    "train.lr=-1": "train.lr=-1.0: must be a number, above 0",
    "model.dropout=1": "model.dropout=1.0: must be a number, at least 0 and below 1",
    "model.generator_widths=[8,0]": "[8, 0]: must be a list of whole numbers, not empty, each at least 1",
    "model.discriminator_widths=[]": "model.discriminator_widths=[]: must be a list of whole numbers, not empty",
    "model.latent_dim=0": "model.latent_dim=0: must be a whole number, at least 1",
    "model.negative_slope=nan": "model.negative_slope=nan: must be a finite number",
    "model.negative_slope=inf": "model.negative_slope=inf: must be a finite number",
    "train.batch_size=0": "train.batch_size=0: must be a whole number, at least 1",
    "train.batch_size=1798": "train.batch_size=1798: must be at most 1797",
    "train.epochs=-1": "train.epochs=-1: must be a whole number, at least 1",
    "train.betas=[0.5,1]": "train.betas=[0.5, 1.0]: must be a list of numbers, exactly 2 of them, each at",
    "seed=-1": "seed=-1: must be a whole number, at least 0 and at most 2147483647",
    "objective=wasserstein objective.clip=0": "objective.clip=0.0: must be a number, above 0, or null",
    "objective.label_smoothing=1": "objective.label_smoothing=1.0: must be a number, at least 0 and below 1",
    "objective=relativistic objective.pairing=all": "objective.pairing=all: must be pairs or mean",
    "objective=hinge objective.margin=2": "objective.margin=2: no such key; objective has name",
    "penalty=r3": "penalty=r3: no such option; penalty has dragan, gradient, lecam, none, r1, r1_r2, r2",
    "penalty=r1 penalty.weight=-1": "penalty.weight=-1.0: must be a number, at least 0",
    "penalty.weight=1": "penalty.weight=1: no such key; penalty has name",
    "train.instance_noise=-1": "train.instance_noise=-1.0: must be a number, at least 0",
    # across groups
    "model=dcgan data=ring": "model=dcgan: needs images, such as data=digits; these samples are points, 2-D",
    "model=dcgan data.image_size=30": "sides must be multiples of 4; they are 30 and 30 (data.image_size)",
    "model=dcgan model.discriminator_widths=[4,4,4]": "model.discriminator_widths=[4, 4, 4]: each entry halves the",
    # this machine
    "device=tpu": "device=tpu: must be auto, cpu, cuda, cuda:N or mps",
    "device=cuda:99": "device=cuda:99: this machine lacks it; it has cpu",
    "device=cpu train.precision=tf32": "train.precision=tf32: needs CUDA",
    # data
    "data=image_folder": "data.root: is missing; it must be text",
    "data=mnist data.root=nowhere data.download=false": "data.root=nowhere:",
    "data=grid data.modes=24": "data.modes=24: must be a square number",
    # tracking
    "tracking=server": "tracking.uri: is missing; it must be text",
    "tracking.uri=sqlite:////no/such/mlflow.db": "tracking.uri=sqlite:////no/such/mlflow.db: the folder /no/such",
    "tracking.uri=gopher://x": "tracking.uri=gopher://x: allowed are sqlite:///FILE, http(s)://HOST:PORT",
    # output
    "hydra.run.dir=/proc/nowhere/run": "hydra.run.dir=/proc/nowhere/run: cannot be written",
    "-m hydra.sweep.dir=/proc/nowhere/run seed=1,2": "hydra.sweep.dir=/proc/nowhere/run: cannot be written",
    # sweeps of nothing
    "-m seed=range(0)": "seed=range(0): has no values",
    "-m data=glob(zz) seed=0,1": "data=glob(zz): has no values",
    # own targets
    "model._target_=nowhere.build": "model._target_=nowhere.build: cannot be imported (ModuleNotFoundError",
    "objective._target_=math.pi": "objective._target_=math.pi: must be a function or a class",
    # how it was written
    "train.lr=1,2": "train.lr=1,2: several values need -m",
    "train.lr": "train.lr: cannot be read (missing EQUAL",
    "model.generator_widths=[8": "model.generator_widths=[8: cannot be read (no viable alternative",
    "train.lr='${nothing}'": "train.lr: the interpolation cannot be resolved",
    "--epochs 3": "--epochs: no such flag; --help shows what there is",
    "seed=1 -m train.lr=1,2": "train.lr=1,2: keys must stand together",
    "--config-name=nope": "Cannot find primary config 'nope'",
    # sweeps: one bad run, and none starts
    "-m train.lr=1e-3,1e-4,-3": "train.lr=-3.0: must be a number, above 0",
    "-m 'seed=range(3)' train.lrr=1,2": "train.lrr=1: no such key; did you mean train.lr?",
    "-m hydra.launcher=null seed=0,1": "hydra.launcher=null: must be the keys of a launcher",
    "-m model=mlp,nope": "model=nope: no such option; model has dcgan, mlp, mlp_large, mlp_medium, mlp_small",
    "-m train.batch_size=10,2000": "train.batch_size=2000: must be at most 1797",
    "-m seed=1,2 'train.epochs=${hydra:job.num}'": "train.epochs=0: must be a whole number",
    "-m train.resume=somewhere seed=1,2": "train.resume=somewhere: must be auto or null in a sweep",
    # resuming
    "train.resume=nowhere": "train.resume=nowhere: must be a run's folder, a checkpoint, an MLflow run id",
    f"train.resume={'0' * 32}": f"run {'0' * 32}: cannot be looked up",
    f"train.resume={'0' * 32} tracking=off": f"run {'0' * 32}: tracking=off has no MLflow to look it up in",
}  # fmt: skip


@pytest.mark.parametrize("typed", REFUSED)
def test_one_line_and_nothing_written(typed: str, command: Command) -> None:
    assert REFUSED[typed] in one_line(command, *shlex.split(typed))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_this_machine_lacks(command: Command) -> None:
    assert "device=cuda: this machine lacks it; it has cpu" in one_line(command, "device=cuda")


def test_a_server_that_does_not_answer(command: Command) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
        assert f"tracking.uri={uri}: no server answers there" in one_line(command, f"tracking.uri={uri}")


def test_a_tracking_database_that_is_none(command: Command) -> None:
    Path("notes.db").write_text("not a database, but long enough to be looked at" * 100)
    assert "is not an SQLite database" in one_line(command, "tracking.uri=sqlite:///notes.db")


def test_an_output_folder_that_is_a_file(command: Command) -> None:
    Path("results").touch()
    assert "hydra.run.dir=results/1: cannot be written" in one_line(command, "hydra.run.dir=results/1")
    assert "hydra.run.dir=results: cannot be written" in one_line(command, "hydra.run.dir=results")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission(command: Command) -> None:
    Path("locked").mkdir(mode=0o500)
    assert "hydra.run.dir=locked/1: cannot be written (Permission" in one_line(command, "hydra.run.dir=locked/1")


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (None, "no train-images-idx3-ubyte"),
        ("", "its magic number is missing, not 00000803"),
        (HEADER["labels"], "its magic number is 00000801, not 00000803"),
        (HEADER["images"], "it is 16 bytes long, not 47040016"),
        (HEADER["images"] + "00" * 47_040_000, "its MD5 is"),
    ],
    ids=["missing", "empty", "magic number", "truncated", "checksum"],
)
def test_damaged_data(images: str | None, line: str, command: Command) -> None:
    raw = Path("data/MNIST/raw")
    raw.mkdir(parents=True)
    (raw / "train-labels-idx1-ubyte").write_bytes(bytes.fromhex(HEADER["labels"]) + bytes(60_000))
    if images is not None:
        (raw / "train-images-idx3-ubyte").write_bytes(bytes.fromhex(images))
    assert line in one_line(command, "data=mnist", "data.download=false")


def test_compressed_data_that_is_truncated(command: Command) -> None:
    raw = Path("data/KMNIST/raw")
    raw.mkdir(parents=True)
    for file in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (raw / file).write_bytes(gzip.compress(bytes(100))[:-4])
    assert "data.root: " in one_line(command, "data=kmnist", "data.download=false")


@pytest.mark.parametrize(
    ("loader", "line"),
    [
        ("def load(name): return 3", "data._target_=own_data.load: must return a Dataset"),
        ("def load(nam): pass", "data.name=digits: no such key; did you mean data.nam?"),
        (
            "from gan_experiments.errors import UserError\ndef load(**_): raise UserError('data.root=x: broken')",
            "data.root=x: broken",
        ),
    ],
)
def test_an_own_data_set_that_is_none(loader: str, line: str, command: Command) -> None:
    Path("own_data.py").write_text(loader)
    sys.modules.pop("own_data", None)
    keys = () if "**" in loader else ("~data", "+data={_target_: own_data.load, name: digits}")
    assert line in one_line(command, *(keys or ["data._target_=own_data.load"]))


def test_a_defect_is_no_mistake_of_the_person(command: Command) -> None:
    Path("own_defect.py").write_text("def load(**_):\n    return 1 / 0\n")
    answer = command("data._target_=own_defect.load")
    assert answer.status == 1
    assert answer.err.startswith("Traceback")
    assert "ZeroDivisionError: division by zero" in answer.err


def test_a_mistake_in_a_file_names_the_file(command: Command) -> None:
    own = Path("own/train")
    own.mkdir(parents=True)
    (own / "fast.yaml").write_text("defaults: [article, _self_]\nlrr: 1\n")
    line = one_line(command, "--config-dir=own", "train=fast")
    assert line.startswith("train/fast.yaml: train.lrr: no such key; did you mean train.lr?")
    (own / "fast.yaml").write_text("defaults: [article, _self_]\nlr: fast\n")
    assert one_line(command, "--config-dir=own", "train=fast").startswith(
        "train/fast.yaml: train.lr: must be a number"
    )
    (own / "fast.yaml").write_text("lr: [1, 2\n")
    assert "fast.yaml" in one_line(command, "--config-dir=own", "train=fast")


def test_a_quote_that_is_not_closed(command: Command) -> None:
    assert one_line(command, "train.lr='1").startswith("train.lr='1: cannot be read (")


def test_ctrl_c_while_starting_is_no_defect(command: Command) -> None:
    Path("own_slow.py").write_text("def load(**_):\n    raise KeyboardInterrupt\n")
    answer = command("data._target_=own_slow.load")
    assert (answer.status, answer.err) == (130, "stopped by Ctrl-C\n")


def test_a_sweep_that_a_file_describes_is_checked(command: Command) -> None:
    Path("own/experiment").mkdir(parents=True)
    file = "# @package _global_\nhydra:\n  sweeper:\n    params:\n      train.lr: 1e-4,0\n"
    Path("own/experiment/search.yaml").write_text(file)
    assert "train.lr=0.0: must be a number" in one_line(command, "-m", "--config-dir=own", "experiment=search")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command as a person starts it."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "gan_experiments.run", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("typed", ["train.lrr=1", "train.lr=0", "data=mnist data.root=nowhere data.download=false"])
def test_the_real_command(typed: str, tmp_path: Path) -> None:
    answer = run(*shlex.split(typed), cwd=tmp_path)
    assert answer.returncode == 2
    assert re.fullmatch(r"error: .*\n", without_waiting(answer.stderr))
    assert answer.stdout == ""
    assert list(tmp_path.iterdir()) == []


SLOW = ("torch", "torchvision", "sklearn", "matplotlib", "mlflow", "numpy")
QUICK = {
    "help": (["--help"], {}),
    "configuration": (["--cfg", "job"], {}),
    "completion": (["-sc", "query=bash"], {"COMP_LINE": "gan-experiments model=", "COMP_POINT": "22"}),
    "refusal": (["train.lrr=1"], {}),
}


@pytest.mark.parametrize("what", QUICK)
def test_nothing_slow_is_imported_for(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, environment = QUICK[what]
    for name, value in {**environment, "PYTHONPROFILEIMPORTTIME": "1"}.items():
        monkeypatch.setenv(name, value)
    imported = {line.rpartition("|")[2].strip() for line in run(*arguments, cwd=tmp_path).stderr.splitlines()}
    assert "gan_experiments.configuration.schema" in imported
    assert imported.isdisjoint(SLOW)


def test_help_shows_every_group_option_and_key(command: Command) -> None:
    answer = command("--help")
    assert answer.status == 0
    assert answer.files == []
    for option in ("digits", "image_folder", "mlp_small", "minimax", "server", "quickstart"):
        assert re.search(rf"^ +\*? *{option} +\S", answer.out, re.MULTILINE)
    for key, default in (
        ("seed", "0"),
        ("model.negative_slope", "0.2"),
        ("train.momentum", "0.0"),
        ("train.generator_lr", "null"),
    ):
        assert re.search(rf"^ +{re.escape(key)} +{re.escape(default)} +\S", answer.out, re.MULTILINE)
    assert "(exactly 2 of them, each at least 0 and below 1)" in " ".join(answer.out.split())
    assert "train.resume=RUN_DIR" in answer.out
    for page in ("README.md", "conf/README.md", "gan_experiments/README.md", "gan_experiments/objectives/README.md"):
        assert re.search(rf"(?<![\w/]){re.escape(page)}\b", answer.out)
    assert "schema" not in answer.out
    assert max(map(len, answer.out.splitlines())) <= 120


def test_help_takes_overrides_as_defaults(command: Command) -> None:
    assert re.search(r"data\.modes +25 ", command("--help", "data=grid").out)


def test_the_composed_configuration_is_shown(command: Command) -> None:
    answer = command("--cfg", "job", "model.latent_dim=3")
    assert answer.status == 0
    assert "latent_dim: 3\n" in answer.out
    assert answer.files == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {"data=", "model=", "train.", "seed="}),
        ("model=", {"model=mlp", "model=mlp_large", "model=mlp_small"}),
        ("train.ba", {"train.batch_size="}),
    ],
)
def test_completion(line: str, expected: set[str], command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", f"gan-experiments {line}")
    offered = set(command("-sc", "query=bash").out.split())
    assert expected <= offered
    assert not any("schema" in offer for offer in offered)


@pytest.mark.parametrize("name", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_one_of_several_processes_is_refused(name: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    assert one_line(command, "seed=1").startswith(f"{name}=2: one run trains on one device")


def test_one_process_started_by_torchrun_is_a_run_like_any_other() -> None:
    check_alone({"WORLD_SIZE": "1", "RANK": "0"})
    check_alone({"SLURM_NTASKS": "8", "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"})
