"""Removal of an old checkpoint after its successor is written, not before."""

from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner


@HOOKS.register_module()
class LateRemovalHook(Hook):
    """Has ``CheckpointHook`` remove a checkpoint when the one that replaces it is on the disk.

    By itself ``CheckpointHook`` removes first, under ``max_keep_ckpts`` and ``save_best``: with
    ``max_keep_ckpts=1`` a kill or a full disk at that moment leaves no checkpoint.
    """

    priority = "LOWEST"  # after CheckpointHook

    def before_train(self, runner: Runner) -> None:
        """Stands between the hooks and what removes their files."""
        self._removals = []
        for hook in runner.hooks:
            if isinstance(hook, CheckpointHook):
                hook.file_backend = _Removals(hook)
                self._removals.append(hook.file_backend)

    def after_train_iter(self, *args: Any, **kwargs: Any) -> None:
        """Removes what was to be removed."""
        for removals in self._removals:
            removals.finish()

    after_train_epoch = after_val_epoch = after_train_iter


class _Removals:
    """The file backend of a ``CheckpointHook``, which removes files later."""

    def __init__(self, hook: CheckpointHook) -> None:
        self._hook, self._backend = hook, hook.file_backend
        self._late: list[tuple[Any, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._late.append((self._backend.remove, path))

    def rmtree(self, path: str) -> None:
        self._late.append((self._backend.rmtree, path))

    def finish(self) -> None:
        """Removes the files, but those that were written anew since."""
        hook = vars(self._hook)
        kept = {hook["last_ckpt"], hook.get("best_ckpt_path")}
        kept |= {*hook.get("best_ckpt_path_dict", {}).values()}
        for remove, path in self._late:
            if path not in kept:
                remove(path)
        self._late.clear()
