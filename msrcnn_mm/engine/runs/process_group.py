"""The process group of a distributed run on CPUs.

On a machine without a GPU mmengine would set a CUDA device all the same. So the group is started
before its runner, which takes the group that is there.
"""

import os

from mmengine.config import Config
from mmengine.device import get_device
from torch import distributed

from msrcnn_mm.errors import UserError

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

    Args:
        config: The config, whose ``model_wrapper_cfg`` then names no GPU.

    Raises:
        UserError: The launcher does not say where the first process runs.
    """
    launcher = config.get("launcher", "none")
    if launcher == "none" or get_device() != "cpu" or distributed.is_initialized():
        return
    for name, variable in zip(_VARIABLES["pytorch"], _VARIABLES[launcher], strict=True):
        os.environ[name] = os.environ[variable]
    os.environ.setdefault("MASTER_PORT", "29500")  # that of mmengine and torch
    if "MASTER_ADDR" not in os.environ:
        raise UserError(
            f"--launcher {launcher}: MASTER_ADDR is not set: let this environment variable name the"
            " machine of the first process"
        )
    distributed.init_process_group("gloo")
    wrapper = config.get("model_wrapper_cfg") or dict(
        broadcast_buffers=False,
        find_unused_parameters=config.get("find_unused_parameters", False),
    )
    if wrapper.setdefault("type", "MMDistributedDataParallel") == "MMDistributedDataParallel":
        wrapper["device_ids"] = None
    config.model_wrapper_cfg = wrapper
