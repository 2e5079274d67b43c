"""Loading of configs, and the launcher that a run is to have."""

import difflib
import os
from importlib.util import find_spec
from pathlib import Path

from mmengine.config import Config

from msrcnn_mm.compat.named_objects import build_registered_classes_only
from msrcnn_mm.errors import UserError

from .literal import read_literal_config
from .options import override_settings

# the variable in which each launcher gives a process its number among all
_RANKS = {"pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}

LAUNCHERS = ("none", *_RANKS)


def load_config(
    name: str, options: dict | None, work_dir: str | None, launcher: str, safe: bool = False
) -> Config:
    """Reads a config and applies the command line's overrides.

    Args:
        name: A file, or ``PACKAGE::FOLDER/NAME.py`` for one that a package like ``mmdet`` brings.
        options: Settings to override, by dotted keys.
        work_dir: The run's folder; the config's own or ``work_dirs/NAME`` without.
        launcher: How the processes of a distributed run are started.
        safe: Whether a config that is not literal is refused instead of run; for the rest of the
            process, configs then build registered classes only.

    Raises:
        UserError: There is no such file, it cannot be read, an option names no setting, or the
            launcher cannot work here.
    """
    path = _config_path(name)
    _check_launcher(launcher)
    config = _read_safely(path) if safe else _read(name, path)
    if "model" not in config:
        raise UserError(f"{name}: defines no model, so it is only a base for other configs")
    _check_scorer(name, config)
    if options:
        override_settings(config, options)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get("work_dir") is None:
        config.work_dir = str(Path("work_dirs") / path.stem)
    return config


def _read_safely(path: Path) -> Config:
    """Reads a literal config, and keeps the registries from importing what it names."""
    build_registered_classes_only()
    return read_literal_config(path)


def _read(name: str, path: Path) -> Config:
    """Runs a config, which is Python."""
    try:
        return Config.fromfile(path)
    except FileNotFoundError as error:
        absent = error.filename or str(error)
        raise UserError(
            f"{name}: cannot be read: there is no {absent}; _base_ is relative to the folder of "
            "the file that names it"
        ) from error
    except Exception as error:  # a config is Python, so anything may come of a mistake in it
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: cannot be read: {type(error).__name__}: {reason}") from error


def _check_scorer(name: str, config: Config) -> None:
    """Refuses an ablation (ABLATION_OF) of a config without a scorer, for which it has settings."""
    roi_head = config.model.get("roi_head") or {}
    settings = {"mask_iou_head", "mask_iou_roi_extractor"} & set(roi_head)
    if settings and roi_head.get("type") == "StandardRoIHead":
        raise UserError(
            f"{name}: has settings of a scorer ({', '.join(sorted(settings))}), but its base is no"
            " Mask Scoring R-CNN: let ABLATION_OF name one"
        )


def _config_path(name: str) -> Path:
    """Finds the file of a config name."""
    package, separator, inner = name.partition("::")
    path = Path(name)
    if separator:
        spec = find_spec(package) if package.isidentifier() else None
        if spec is None or spec.origin is None:
            raise UserError(f"{name}: there is no installed package {package!r}")
        path = Path(spec.origin).parent / ".mim" / "configs" / inner
    if path.is_dir():
        raise UserError(f"{name}: is a folder; name a config file in it")
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.py")], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{name}: no such config file{hint}")
    if path.suffix not in (".py", ".json", ".yaml", ".yml"):
        raise UserError(f"{name}: a config is a .py, .json or .yaml file")
    return path


def _check_launcher(launcher: str) -> None:
    """Checks that the launcher did start this process."""
    if launcher == "none":
        return
    starter = {
        "pytorch": "torchrun --nproc_per_node=N tools/...",
        "slurm": "srun python tools/...",
        "mpi": "mpirun python tools/..., with the mpirun of Open MPI",
    }
    # in a batch script Slurm numbers the one process of the script as if it were the first of all
    alone = "SLURM_STEP_ID" not in os.environ and os.environ.get("SLURM_NTASKS", "1") != "1"
    if _RANKS[launcher] not in os.environ or (launcher == "slurm" and alone):
        raise UserError(f"--launcher {launcher}: not started by it; write {starter[launcher]}")


def is_first_process(config: Config) -> bool:
    """Returns whether this process reports for all processes of a distributed run."""
    return int(os.environ.get(_RANKS.get(config.get("launcher"), ""), 0)) == 0
