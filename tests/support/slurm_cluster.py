"""A SLURM of one's own: a controller and one node, on this machine's loopback, in a folder of their own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, until

PATH = os.pathsep.join([os.environ["PATH"], "/usr/local/sbin", "/usr/sbin"])
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
MISSING = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
"""Programs of Debian's munge and slurm-wlm that are not here."""

# Two processors and a partition before which the other one gives way, whatever the machine has.
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
# None of these is waited for on a machine that is quick enough.
MessageTimeout=100
TCPTimeout=100
UnkillableStepTimeout=600
KillWait=600
BatchStartTimeout=600
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=600
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""


@contextmanager
def slurm_cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A SLURM that the processes started within find by ``SLURM_CONF``; it is gone afterwards."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, user=getpass.getuser(), folder=folder, ports=_free_ports(2)))
    monkeypatch.setenv("SLURM_CONF", str(config))
    monkeypatch.setenv("PATH", PATH)
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "log-file": "munge.log"}
    munge = [f"--{option}={folder / name}" for option, name in (files | {"seed-file": "munge.seed"}).items()]
    with ExitStack() as daemons:
        # Whoever owns the folder is trusted.
        daemons.enter_context(_daemon(folder, "munged", "--foreground", "--force", *munge))
        until((folder / "munge.socket").exists, "munge's socket")
        daemons.enter_context(_daemon(folder, "slurmctld", "-D"))
        daemons.enter_context(_daemon(folder, "slurmd", "-D", "-N", host))
        until(lambda: "idle" in slurm("sinfo", "--noheader", "--format=%T"), "an idle node of SLURM")
        try:
            yield
        finally:
            slurm("scancel", "--me")
            until_no_jobs()


def until_no_jobs() -> None:
    """Wait until SLURM has none of this user's jobs."""

    def none_left() -> bool:
        answer = subprocess.run(["squeue", "--me", "--noheader"], capture_output=True, text=True, check=False)
        return answer.returncode == 0 and not answer.stdout.strip()  # a busy SLURM that does not answer has some

    until(none_left, "the end of all jobs of SLURM")


def slurm(*command: str) -> str:
    """What one of SLURM's commands says; nothing where it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@contextmanager
def _daemon(folder: Path, *command: str) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
