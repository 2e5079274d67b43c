"""Tests of runs as Slurm, MPI and several machines start them, by the variables that they set."""

import multiprocessing
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import distributed

from msrcnn_mm.engine.runs.meeting_point import (
    interface_to,
    on_one_machine,
    set_meeting_point,
)
from msrcnn_mm.engine.runs.process_group import start_on_cpus
from msrcnn_mm.errors import UserError

SLURM = {
    "SLURM_JOB_ID": "31",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_TASKS_PER_NODE": "2",
    "SLURM_NODELIST": "node[1-2]",
}
MPI = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}
RANKS = {
    "slurm": ("SLURM_PROCID", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
SCONTROL = """#!/bin/sh
[ "$*" = "show hostnames node[1-2]" ] && echo localhost && echo node2
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Gives a test an environment without the variables of launchers, and takes those it sets."""
    kept = dict(os.environ)
    for name in kept:
        if name.startswith(("SLURM_", "OMPI_", "MASTER_", "GLOO_")):
            monkeypatch.delenv(name)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    yield
    for name in set(os.environ) - set(kept):
        del os.environ[name]


def variables(launcher: str, rank: int, **others: str) -> dict[str, str]:
    """Returns what a launcher sets for one of two processes on this machine."""
    of_run = {"slurm": SLURM, "mpi": MPI}[launcher]
    return {**of_run, **dict.fromkeys(RANKS[launcher], str(rank)), **others}


def sum_of_ranks(launcher: str, variables: dict[str, str], answers: multiprocessing.Queue) -> None:
    """Starts the process group as a run does, and adds up the numbers of the processes."""
    os.environ.update(variables)
    config = Config(dict(launcher=launcher))
    start_on_cpus(config)
    ranks = torch.tensor([10.0 ** distributed.get_rank()])
    distributed.all_reduce(ranks)
    device_ids = config.model_wrapper_cfg.device_ids
    answers.put((os.environ["MASTER_ADDR"], ranks.item(), device_ids))
    answers.close()
    answers.join_thread()
    distributed.destroy_process_group()


def run_two(launcher: str, **others: str) -> set[tuple]:
    """Returns the answers of two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        others["MASTER_PORT"] = str(probe.getsockname()[1])
    context = multiprocessing.get_context("fork")  # so that nothing is imported again
    answers = context.Queue()
    processes = [
        context.Process(
            target=sum_of_ranks, args=(launcher, variables(launcher, rank, **others), answers)
        )
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    try:
        return {answers.get(timeout=60) for _ in processes}
    finally:
        for process in processes:
            process.join(timeout=60)
            process.kill()


@pytest.mark.parametrize("launcher", ["slurm", "mpi"])
def test_processes_of_one_machine_meet_on_its_loopback(launcher: str) -> None:
    assert run_two(launcher) == {("127.0.0.1", 11.0, None)}


def test_processes_of_slurm_meet_on_the_first_machine_of_the_list(tmp_path: Path) -> None:
    (tmp_path / "scontrol").write_text(SCONTROL)
    (tmp_path / "scontrol").chmod(0o755)
    answers = run_two(
        "slurm",
        SLURM_STEP_TASKS_PER_NODE="1(x2)",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        GLOO_SOCKET_IFNAME="lo",
    )
    assert answers == {("localhost", 11.0, None)}


def test_jobs_of_slurm_have_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = []
    for job, step in (("31", "0"), ("31", "1"), ("32", "0"), ("4000000000", "99")):
        monkeypatch.delenv("MASTER_PORT", raising=False)
        for name, value in variables("slurm", 0, SLURM_JOB_ID=job, SLURM_STEP_ID=step).items():
            monkeypatch.setenv(name, value)
        ports.append(int(set_meeting_point("slurm")[1]))
    assert len(set(ports)) == len(ports)
    assert min(ports) > 1024 and max(ports) < 32768  # the first that Linux lends
    monkeypatch.setenv("MASTER_PORT", "1234")
    assert set_meeting_point("slurm")[1] == "1234"


@pytest.mark.parametrize(
    ("launcher", "says"),
    [
        (
            "slurm",
            r"MASTER_ADDR is not set, and `scontrol show hostnames node\[1-2\]` fails .*: let",
        ),
        ("mpi", "MASTER_ADDR is not set: let this environment variable name the machine"),
    ],
)
def test_the_machine_of_the_first_process_must_be_known(
    launcher: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On GPUs too, where mmengine would take the shell's error message for a machine's name."""
    several = {"SLURM_STEP_TASKS_PER_NODE": "1(x2)", "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}
    for name, value in variables(launcher, 0, PATH=str(tmp_path), **several).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=f"--launcher {launcher}: {says}"):
        start_on_cpus(Config(dict(launcher=launcher)))


def test_a_misspelt_machine_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "nowhere.invalid")
    with pytest.raises(UserError, match=r"no machine is known as 'nowhere\.invalid' \("):
        start_on_cpus(Config(dict(launcher="mpi")))


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for name, value in variables("mpi", 0, MASTER_PORT=port).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(UserError, match=f"do not meet at 127.0.0.1:{port} .*a port that is fr"):
            start_on_cpus(Config(dict(launcher="mpi")))


def test_the_network_of_the_first_machine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose own name is that of its loopback, as on Debian, cannot be reached by it."""
    assert interface_to("127.0.0.1") == "lo"
    assert interface_to("nowhere.invalid") is None
    several = {"OMPI_COMM_WORLD_LOCAL_SIZE": "1", "MASTER_ADDR": "localhost"}
    for name, value in variables("mpi", 0, **several).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="on this machine localhost is the loopback, where no oth"):
        start_on_cpus(Config(dict(launcher="mpi")))


def test_processes_that_are_started_by_hand_may_meet_on_the_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing tells that there are other machines, where ``LOCAL_WORLD_SIZE`` is not set."""
    alone = dict(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1", MASTER_ADDR="localhost", MASTER_PORT="0")
    for name, value in alone.items():
        monkeypatch.setenv(name, value)
    assert on_one_machine("pytorch") is None
    start_on_cpus(Config(dict(launcher="pytorch")))
    try:
        assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
    finally:
        distributed.destroy_process_group()
