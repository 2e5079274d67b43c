"""Keeps mmengine's registries from importing what a config names."""

from importlib import import_module
from typing import Any

from mmengine.registry import registry

_PACKAGES = ("mmengine", "mmcv", "mmdet", "msrcnn_mm")


def build_registered_classes_only() -> None:
    """Makes ``type`` name registered classes of known packages alone; a second call does nothing.

    Wrong in mmengine 0.10.7 for configs of strangers: a ``type`` that is not registered is imported
    by its name, so that ``dict(type="subprocess.call", args=...)`` runs a program, and a scope
    imports the module ``registry`` of a package, which may lie in the current folder. No version is
    known that has a switch for it.
    """

    def import_known(name: str, *args: Any) -> Any:
        if name.partition(".")[0] not in _PACKAGES:
            raise ImportError(f"{name}: refused by --safe")
        return import_module(name, *args)

    registry.get_object_from_string = lambda name: None
    registry.import_module = import_known
