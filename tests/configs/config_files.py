"""The config files and functions that load and compare them."""

from functools import cache
from pathlib import Path

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob("*.py")
    if path.parent.name != "_base_"
)
# tests/configs/test_frozen_host_configs.py has the tests of these alone.
FROZEN = [
    name for name in FILES if name.startswith(("frozen_host/", "demo/frozen", "nuclei/frozen"))
]
JOINT = [name for name in FILES if name.startswith("detection_scoring/")]
# tests/configs/test_yolact_configs.py has the tests of these alone.
YOLACT = [name for name in FILES if Path(name).name.startswith("yolact") and name not in FROZEN]
# Beside the model, the keys in which a config differs from MMDetection's of the same name.
OWN_KEYS = {"custom_imports", "default_hooks", "val_evaluator", "test_evaluator", "visualizer"}
HOOKS = {
    "run_checks": {"type": "RunChecksHook"},
    "checkpoint_fit": {"type": "CheckpointFitHook"},
    "resume": {"type": "ResumeHook"},
    "exact_resume": {"type": "ExactResumeHook"},
    "late_removal": {"type": "LateRemovalHook"},
    "termination": {"type": "TerminationHook"},
    "finite_loss": {"type": "FiniteLossHook"},
    "overwrite_guard": {"type": "OverwriteGuardHook"},
    "multi_view": {"type": "MultiViewHook"},
    "rescorer": {"type": "RescorerHook"},
    "mask_encoding": {"type": "MaskEncodingHook"},
}


@cache
def load(name: str) -> Config:
    """Loads a config by its path from ``configs/``, once."""
    return Config.fromfile(CONFIGS / name)


def build(model: dict) -> nn.Module:
    """Builds a model in MMDetection's scope."""
    init_default_scope("mmdet")
    return MODELS.build(model)


def is_scored(name: str) -> bool:
    """Returns whether a config's network has a scorer."""
    return Path(name).name.startswith(("ms-rcnn", "yolact-plus", "yolact-rescoring"))


def difference(ours: dict, base: dict, path: str = "") -> dict[str, object]:
    """Returns the settings that differ from the base or are not in it, by dotted key."""
    found: dict[str, object] = {}
    for key, value in ours.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            found |= difference(value, base[key], f"{path}{key}.")
        elif key not in base or base[key] != value:
            found[f"{path}{key}"] = value
    return found


def plain(settings: object) -> object:
    """Returns settings without ``_scope_``, which mmengine adds to what comes from MMDetection."""
    if isinstance(settings, dict):
        return {key: plain(value) for key, value in settings.items() if key != "_scope_"}
    if isinstance(settings, list):
        return [plain(value) for value in settings]
    return settings
