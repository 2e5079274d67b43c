"""Keeps what a test predicts in files, and measures it from there."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.dist import broadcast_object_list
from mmengine.evaluator import Evaluator
from mmengine.evaluator.metric import BaseMetric
from mmengine.structures import BaseDataElement

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.journal import Record

from ..adapters.dump import DumpCocoResults
from ..adapters.metric import MaskScoreMetric
from ..hooks.first_process import run_in_first_process
from .files import JournalFiles
from .masks import MaskFile
from .samples import decode_sample, encode_sample


class JournalEvaluator(Evaluator):
    """Measures a test in the first process, from the files of finished images.

    Metrics get the images in the order of the data set, whichever process tested them, now or in a
    run that was killed. So the figures and files are those of one process that was not killed.

    Args:
        evaluator: The test's evaluator, whose metrics are used.
        files: The finished images.
        batches: The images that are left, by their place in the data set, in the order in which
            this process tests them.
        whole: As for :func:`.encode_sample`.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        files: JournalFiles,
        batches: Sequence[Sequence[int]],
        whole: bool,
    ) -> None:
        super().__init__(evaluator.metrics)
        self.dataset_meta = evaluator.dataset_meta
        self._files = files
        self._batches = iter(batches)
        self._whole = whole
        self._finished: list[Record] = []

    def process(self, data_samples: Sequence[BaseDataElement], data_batch: Any = None) -> None:
        """Encodes a batch; :meth:`keep` writes it."""
        self._finished = [
            dict(id=number, sample=encode_sample(sample.to_dict(), self._whole))
            for number, sample in zip(next(self._batches), data_samples, strict=True)
        ]

    def keep(self) -> None:
        """Writes the batch, of which nothing is left to do.

        Raises:
            UserError: The file cannot be written.
        """
        self._files.append(self._finished)

    def evaluate(self, size: int) -> dict[str, float]:
        """Measures all images.

        Args:
            size: Their number.

        Returns:
            Metric name -> value, in every process.

        Raises:
            UserError: An image is in none of the files, or two metrics give the same name; or what
                a metric raises.
        """
        shared: list[Any] = [None]

        def measure() -> None:
            shared[0] = {}
            for metric in self.metrics:
                measured = self._measured(metric, size)
                for name in shared[0].keys() & measured.keys():
                    raise UserError(
                        f"test_evaluator: two metrics give {name}: give one of them another prefix"
                    )
                shared[0].update(measured)

        self._files.complete()
        run_in_first_process(measure)
        broadcast_object_list(shared)
        metrics: dict[str, float] = shared[0]
        return metrics

    def _measured(self, metric: BaseMetric, size: int) -> dict[str, float]:
        if isinstance(metric, DumpCocoResults):
            metric.write(self._samples(size))
            return {}
        samples = self._samples(size)
        if isinstance(metric, MaskScoreMetric) and not self._whole:
            masks = MaskFile(self._files.folder / "masks.json", self._samples(size))
            samples = masks.within(samples)
        for sample in samples:
            metric.process(None, [sample])
        values = metric.compute_metrics([*metric.results])
        metric.results.clear()
        return {f"{metric.prefix}/{k}" if metric.prefix else k: v for k, v in values.items()}

    def _samples(self, size: int) -> Iterator[dict[str, Any]]:
        for record in self._files.records(size):
            yield decode_sample(record["sample"])
