"""A test whose finished images are kept in files, so that one that was killed can go on."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import LOOPS
from mmengine.runner import Runner, TestLoop
from torch.utils.data import DataLoader

from .evaluator import JournalEvaluator
from .files import JournalFiles
from .settings import keeps_whole_samples, reason_against, settings_of


@LOOPS.register_module()
class JournaledTestLoop(TestLoop):
    """mmengine's ``TestLoop`` that goes on where a test of the same settings was killed.

    After each batch its images are written to a file of this process in ``journal``. Batches that
    are there already are not tested again, whatever the number of processes was. Metrics are
    computed from these files, by the first process, in the order of the data set; then the files
    are removed. A batch holds the same images in every run, so that predictions are the same.

    A test with a metric, a hook that is called after each batch, or a sampler that is not known
    runs as by ``TestLoop``, and the log says why.

    Args:
        runner: As for ``TestLoop``.
        dataloader: Likewise.
        evaluator: Likewise.
        fp16: Likewise.
        journal: The folder of the files of finished images, seen by all processes.
        overwrite: Whether to start anew where it has files.

    Raises:
        UserError: The files are of a test of other settings, or of one that is running, or cannot
            be read or written.
    """

    evaluator: Evaluator
    dataloader: DataLoader

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        fp16: bool = False,
        *,
        journal: str | Path,
        overwrite: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.journal = Path(journal)
        self.overwrite = overwrite

    def run(self) -> dict:
        """Tests the images that are left, and measures all.

        Returns:
            Metric name -> value.
        """
        logger = MMLogger.get_current_instance()
        reason = reason_against(self)
        if reason is not None:
            logger.info(f"this test starts anew after a kill: {reason}")
            metrics: dict = super().run()
            return metrics
        settings = partial(settings_of, self.runner, self)
        with JournalFiles(self.journal, settings, self.overwrite) as files:
            if files.done:
                logger.info(f"{len(files.done)} images of an unfinished test are not tested again")
            batches = self._batches(files.done)
            whole = keeps_whole_samples(self)
            evaluator, loader = self.evaluator, self.dataloader
            self.evaluator = JournalEvaluator(evaluator, files, batches, whole)
            self.dataloader = _loader(loader, batches)
            try:
                metrics = super().run()
            except KeyboardInterrupt:
                logger.info(f"{self.journal} keeps the finished images: the same command goes on")
                raise
            finally:
                self.evaluator, self.dataloader = evaluator, loader
            files.remove()
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Tests a batch, and keeps it once all hooks have seen it."""
        super().run_iter(idx, data_batch)
        if isinstance(self.evaluator, JournalEvaluator):
            self.evaluator.keep()

    def _batches(self, done: frozenset[int]) -> list[list[int]]:
        """Returns the batches of this process that are left; one that is kept in part counts."""
        dataset: Any = self.dataloader.dataset
        size, images = self.dataloader.batch_size or 1, len(dataset)
        starts = range(0, images, size)
        batches = [[*range(start, min(start + size, images))] for start in starts]
        left = [batch for batch in batches if not done.issuperset(batch)]
        return left[get_rank() :: get_world_size()]


def _loader(loader: DataLoader, batches: list[list[int]]) -> DataLoader:
    """Returns a data loader of these batches that is like another one otherwise."""
    same: dict[str, Any] = {
        name: getattr(loader, name)
        for name in (
            *("dataset", "num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn"),
            *("multiprocessing_context", "prefetch_factor", "persistent_workers"),
        )
    }
    return DataLoader(batch_sampler=batches, **same)
