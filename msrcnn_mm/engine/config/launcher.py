"""Processes of a distributed run, before mmengine has set it up."""

import os

from mmengine.device import get_device

from msrcnn_mm.errors import UserError

# the variable in which each launcher gives a process its number among all
_RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}

LAUNCHERS = ("none", *_RANKS)


def check_launcher(launcher: str) -> None:
    """Checks that the launcher did start this process, and that mmengine can use it here.

    Raises:
        UserError: It did not, or there is no GPU.
    """
    if launcher == "none":
        return
    if get_device() == "cpu":
        raise UserError(f"--launcher {launcher}: mmengine distributes over GPUs, and there is none")
    if _RANKS[launcher] not in os.environ:
        starter = {"pytorch": "torchrun --nproc_per_node=GPUS", "slurm": "srun", "mpi": "mpirun"}
        raise UserError(
            f"--launcher {launcher}: not started by it; write {starter[launcher]} tools/..."
        )


def on_first_rank() -> bool:
    """Returns whether this process reports for all processes of a distributed run."""
    return all(int(os.environ.get(name, 0)) == 0 for name in _RANKS.values())
