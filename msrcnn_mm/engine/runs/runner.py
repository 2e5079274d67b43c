"""The runner of a training or a test, with the hooks that every run should have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from ..checks.run import check_run
from ..config.errors import StartedHook, config_mistakes_as_user_errors
from ..config.file import is_first_process
from ..hooks.checkpoint_fit import CheckpointFitHook
from ..hooks.exact_resume import ExactResumeHook
from ..hooks.finite_loss import FiniteLossHook
from ..hooks.late_removal import LateRemovalHook
from ..hooks.mask_encoding import MaskEncodingHook
from ..hooks.multi_view import MultiViewHook
from ..hooks.overwrite_guard import OverwriteGuardHook
from ..hooks.rescorer import RescorerHook
from ..hooks.resume import ResumeHook
from ..hooks.run_checks import RunChecksHook
from ..hooks.termination import TerminationHook
from .process_group import start_on_cpus

DEFAULT_HOOKS = (
    RunChecksHook,
    CheckpointFitHook,
    ResumeHook,
    ExactResumeHook,
    LateRemovalHook,
    TerminationHook,
    FiniteLossHook,
    OverwriteGuardHook,
    MultiViewHook,
    RescorerHook,
    MaskEncodingHook,
)
"""Hooks of configs/_base_ that the runs of stock configs get as well."""


@contextmanager
def checked_run(
    config: Config, name: str, options: Sequence[str], splits: Sequence[str], *hooks: Hook
) -> Iterator[Runner]:
    """Checks a config, builds its runner, and turns mistakes of the config into one line.

    The checks come before the runner's data sets, so that their mistakes are one line too.

    Args:
        config: The config.
        name: Its name, for messages.
        options: Names of the settings that the command line overrides.
        splits: Those of ``train``, ``val`` and ``test`` that the run will read.
        *hooks: Hooks to register beside those of the config.

    Yields:
        The runner, to be run inside.

    Raises:
        UserError: The config, its data or a checkpoint has a mistake.
    """
    start = StartedHook()
    with config_mistakes_as_user_errors(name, options, start):
        start_on_cpus(config)
        if is_first_process(config):
            check_run(config, splits)
        runner = RUNNERS.build(config) if "runner_type" in config else Runner.from_cfg(config)
        lacking = [kind() for kind in DEFAULT_HOOKS if kind not in map(type, runner.hooks)]
        for hook in (*lacking, start, *hooks):
            runner.register_hook(hook)
        for hook in runner.hooks:
            if isinstance(hook, RunChecksHook):
                hook.checked.update(splits)  # they are checked above
        yield runner
