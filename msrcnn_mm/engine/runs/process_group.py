"""The process group of a distributed run on CPUs.

On a machine without a GPU mmengine would set a CUDA device all the same. So the group is started
before its runner, which takes the group that is there.
"""

import os

from mmengine.config import Config
from mmengine.device import get_device
from torch import distributed

from msrcnn_mm.errors import UserError

from .meeting_point import interface_to, on_one_machine, set_meeting_point

_VARIABLES = {
    "pytorch": ("LOCAL_RANK", "RANK", "WORLD_SIZE"),
    "slurm": ("SLURM_LOCALID", "SLURM_PROCID", "SLURM_NTASKS"),
    "mpi": (
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
    ),
}
"""Launcher -> where it says a process's number on its machine, that among all, and how many are."""


def start_on_cpus(config: Config) -> None:
    """Starts the process group by gloo, if the run is distributed and the machine has no GPU.

    With GPUs mmengine starts it, and meets where this function says.

    Args:
        config: The config, whose ``model_wrapper_cfg`` then names no GPU.

    Raises:
        UserError: It is not known where the first process runs, or the processes do not meet there.
    """
    launcher = config.get("launcher", "none")
    if launcher == "none" or distributed.is_initialized():
        return
    address, port = set_meeting_point(launcher)
    if get_device() != "cpu":
        return
    for name, variable in zip(_VARIABLES["pytorch"], _VARIABLES[launcher], strict=True):
        os.environ[name] = os.environ[variable]
    one_machine = on_one_machine(launcher)
    if not one_machine:
        _choose_interface(launcher, address, several=one_machine is not None)
    try:
        distributed.init_process_group("gloo")
    except RuntimeError as error:
        raise UserError(
            f"--launcher {launcher}: the processes do not meet at {address}:{port}"
            f" ({str(error).splitlines()[0]}): MASTER_ADDR must name the first process's machine"
            " and MASTER_PORT a port that is free there"
        ) from None
    wrapper = config.get("model_wrapper_cfg") or dict(
        broadcast_buffers=False,
        find_unused_parameters=config.get("find_unused_parameters", False),
    )
    if wrapper.setdefault("type", "MMDistributedDataParallel") == "MMDistributedDataParallel":
        wrapper["device_ids"] = None
    config.model_wrapper_cfg = wrapper


def _choose_interface(launcher: str, address: str, several: bool) -> None:
    """Has gloo use the network by which the first machine is reached.

    Otherwise it uses that of the machine's own name, which Debian's ``/etc/hosts`` gives the
    address 127.0.1.1: other machines then connect to themselves.

    Args:
        launcher: For the message.
        address: Of the first machine.
        several: Whether the launcher tells that there are other machines.

    Raises:
        UserError: There are, and the address is that of the loopback.
    """
    if "GLOO_SOCKET_IFNAME" in os.environ:
        return
    interface = interface_to(address)
    if interface == "lo" and several:
        raise UserError(
            f"--launcher {launcher}: on this machine {address} is the loopback, where no other"
            " machine can connect: let MASTER_ADDR be this machine's address in the network, or"
            " GLOO_SOCKET_IFNAME its network interface"
        )
    if interface is not None:
        os.environ["GLOO_SOCKET_IFNAME"] = interface
