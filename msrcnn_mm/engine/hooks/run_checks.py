"""Checks of a run's config, data and evaluators before its first iteration."""

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner

from ..checks.run import check_run
from .first_process import run_in_first_process


@HOOKS.register_module()
class RunChecksHook(Hook):
    """Checks the config of a run, its data and its evaluators against each other.

    It checks the splits whose loops the runner has built, each once: training and validation in
    ``Runner.train``, the test set in ``Runner.test``. In a distributed run the first process
    checks, and a mistake ends all of them.

    Attributes:
        checked: The splits that are checked already.

    Raises:
        UserError: Before the run, for the first thing that is wrong.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self.checked: set[str] = set()

    def before_run(self, runner: Runner) -> None:
        """Checks what the run will read."""
        loops = dict(train=runner._train_loop, val=runner._val_loop, test=runner._test_loop)
        built = [split for split, loop in loops.items() if isinstance(loop, BaseLoop)]
        splits = [split for split in built if split not in self.checked]
        if not splits or "model" not in runner.cfg:  # a runner made without a config has none
            return
        run_in_first_process(lambda: check_run(runner.cfg, splits))
        self.checked.update(splits)
