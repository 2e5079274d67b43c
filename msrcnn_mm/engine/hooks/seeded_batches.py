"""Batches whose images are loaded with random numbers of their own."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, DataLoader, Sampler

BuildLoader = Callable[..., DataLoader]


def seed_random_numbers(
    *key: int, seed_torch: Callable[[int], Any] = torch.default_generator.manual_seed
) -> None:
    """Seeds the random numbers of Python, NumPy and torch in this process.

    Args:
        *key: Non-negative integers; other integers give unrelated random numbers.
        seed_torch: Takes the seed of torch; by default that of the CPU's generator.
    """
    python, numpy, of_torch = map(int, np.random.SeedSequence(key).generate_state(3))
    random.seed(python)
    np.random.seed(numpy)
    seed_torch(of_torch)


@dataclass(frozen=True)
class SeededBatch:
    """Indices of a batch. Iterating seeds the random numbers of each image before it is loaded.

    A ``DataLoader`` iterates over it in the process that loads the images.

    Attributes:
        indices: What the data set is indexed by.
        seed: The seed of the run.
        number: The number of the batch in the run.
        rank: The rank of the process.
        world_size: The number of processes. Images are numbered over all of them, so that one
            process and several load the same images of a batch with the same random numbers.
    """

    indices: list
    seed: int
    number: int
    rank: int
    world_size: int

    def __len__(self) -> int:
        """Returns how many images the batch has."""
        return len(self.indices)

    def __iter__(self) -> Iterator[Any]:
        """Yields each index, with the random numbers of its image seeded."""
        for position, index in enumerate(self.indices):
            seed_random_numbers(self.seed, self.number, position * self.world_size + self.rank)
            yield index


class SeededBatches(Sampler):
    """Makes the batches of another batch sampler seeded ones.

    Args:
        sampler: The sampler of the images.
        batch_size: Of the batches.
        batches: The batch sampler or its config; by default torch's.
        drop_last: Whether torch's leaves an incomplete last batch out.
        seed: The seed of the run.

    Attributes:
        number: The number of the next batch in the run.
    """

    def __init__(
        self, sampler: Sampler, batch_size: int, batches: Any, drop_last: bool, seed: int
    ) -> None:
        if batches is None:
            batches = BatchSampler(sampler, batch_size, drop_last)
        elif isinstance(batches, Mapping):
            defaults = dict(sampler=sampler, batch_size=batch_size)
            batches = DATA_SAMPLERS.build(batches, default_args=defaults)
        self.sampler, self.batch_size, self.seed = sampler, batch_size, seed
        self.number = 0
        self._batches = batches
        self._rest: Iterator[list] | None = None

    def __len__(self) -> int:
        """Returns how many batches one pass has."""
        return len(self._batches)

    def __iter__(self) -> Iterator[SeededBatch]:
        """Yields the batches of one pass, or of the rest of one after ``skip``."""
        rest, self._rest = self._rest, None
        for indices in self._batches if rest is None else rest:
            number, self.number = self.number, self.number + 1
            yield SeededBatch(indices, self.seed, number, *get_dist_info())

    def skip(self, count: int) -> int:
        """Leaves batches out as if they had been loaded, over as many passes as that takes.

        Returns:
            How many passes are over.
        """
        passes, rest = 0, iter(self._batches)
        for _ in range(count):
            if next(rest, None) is None:
                passes += 1
                if hasattr(self.sampler, "set_epoch"):
                    self.sampler.set_epoch(passes)
                rest = iter(self._batches)
                next(rest)
        self.number += count
        self._rest = rest
        return passes


class _Kept:
    """Stands for an object that ``copy.deepcopy`` returns in its place, without a copy of it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __deepcopy__(self, memo: dict) -> Any:
        return self._value


def seeded_loader(build: BuildLoader, config: Mapping, dataset: Any, seed: int) -> DataLoader:
    """Builds a loader of seeded batches from the config of a loader.

    Args:
        build: ``Runner.build_dataloader``.
        config: The config.
        dataset: Its data set, which is not built again.
        seed: The seed of the run, the same in all processes.
    """
    config = {"batch_size": 1, **config, "dataset": _Kept(dataset)}
    config["batch_sampler"] = dict(
        type=SeededBatches,
        batches=config.get("batch_sampler"),
        drop_last=config.pop("drop_last", False),
        seed=seed,
    )
    return build(config, seed=seed)
