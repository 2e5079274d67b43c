"""The machine and port at which the processes of a distributed run meet.

torchrun tells its processes; of the other launchers mmengine leaves the machine (MPI) or whatever a
missing ``scontrol`` prints (Slurm), and the same port for every run.
"""

import os
import socket
import struct
import subprocess
import sys

from msrcnn_mm.errors import UserError

if sys.platform != "win32":
    import fcntl

_PORT = "29500"  # that of mmengine and torch
_SIOCGIFADDR = 0x8915  # Linux's request for the address of an interface
_COUNTS = {
    "pytorch": ("LOCAL_WORLD_SIZE", "WORLD_SIZE"),
    "slurm": ("SLURM_STEP_TASKS_PER_NODE", "SLURM_STEP_NUM_TASKS"),
    "mpi": ("OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_SIZE"),
}
"""Launcher -> where it says how many processes are on this machine, and how many are in all."""


def set_meeting_point(launcher: str) -> tuple[str, str]:
    """Sets ``MASTER_ADDR`` and ``MASTER_PORT`` where they are not set.

    Processes that are all on one machine meet on its loopback, those of Slurm on the first machine
    of the step, at a port that is the job's own.

    Args:
        launcher: ``pytorch``, ``slurm`` or ``mpi``.

    Returns:
        Both of them.

    Raises:
        UserError: The first machine is not known, or its name is not.
    """
    if "MASTER_ADDR" not in os.environ:
        os.environ["MASTER_ADDR"] = _first_machine(launcher)
    address = os.environ["MASTER_ADDR"]
    try:
        socket.getaddrinfo(address, None)
    except OSError as error:
        raise UserError(
            f"--launcher {launcher}: no machine is known as {address!r} ({error.strerror}): let"
            " MASTER_ADDR be a name or an address of the machine of the first process"
        ) from None
    return address, os.environ.setdefault("MASTER_PORT", _port(launcher))


def on_one_machine(launcher: str) -> bool | None:
    """Returns whether all processes run on this machine; None if the launcher does not tell."""
    here, everywhere = _COUNTS[launcher]
    if here not in os.environ:
        return None
    return os.environ[here] == os.environ.get(everywhere, "1")


def interface_to(address: str) -> str | None:
    """Returns the network interface by which a machine is reached; None where that is not known.

    It is known on Linux only.

    Args:
        address: Its name or IPv4 address.
    """
    if sys.platform != "linux":
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # finds the route and sends nothing
        except OSError:
            return None
        own = probe.getsockname()[0]
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:  # it has no such address
                continue
            if socket.inet_ntoa(answer[20:24]) == own:
                return name
    return None


def _first_machine(launcher: str) -> str:
    """Returns the name of the first process's machine."""
    if on_one_machine(launcher):
        return "127.0.0.1"
    failure = ""
    if launcher == "slurm":
        nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_NODELIST", "")
        try:
            names = subprocess.run(
                ["scontrol", "show", "hostnames", nodes], check=True, capture_output=True, text=True
            ).stdout.split()
            if names:
                return names[0]
            failure = f", and Slurm names no machine in {nodes!r}"
        except (OSError, subprocess.CalledProcessError) as error:
            failure = f", and `scontrol show hostnames {nodes}` fails ({error})"
    raise UserError(
        f"--launcher {launcher}: MASTER_ADDR is not set{failure}: let this environment variable"
        " name the machine of the first process"
    )


def _port(launcher: str) -> str:
    """Returns the port to meet at: for Slurm the step's own, below those that systems lend."""
    if launcher != "slurm" or "SLURM_JOB_ID" not in os.environ:
        return _PORT
    job, step = int(os.environ["SLURM_JOB_ID"]), int(os.environ.get("SLURM_STEP_ID", 0))
    return str(12000 + (job + 101 * step) % 20000)
