"""Names and shapes of a network's weights in another codebase and in MMDetection."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Blocks of each stage, by depth of the ResNet."""

COUNTER = "num_batches_tracked"
"""Name of a batch norm's counter, which no network uses and early versions of torch lack."""


class NamedTensor(NamedTuple):
    """A weight in both checkpoints.

    Attributes:
        theirs: its name in the other codebase's checkpoint.
        ours: its name in MMDetection's.
        shape: its shape in the other codebase's.
        rotated: size of the groups of rows whose first row is our last, 0 if rows do not move.
        dropped: number of first rows that ours does not have.
    """

    theirs: str
    ours: str
    shape: tuple[int, ...]
    rotated: int = 0
    dropped: int = 0

    @property
    def our_shape(self) -> tuple[int, ...]:
        """Its shape in MMDetection's checkpoint."""
        return (self.shape[0] - self.dropped, *self.shape[1:]) if self.dropped else self.shape

    def to_ours(self, value: Tensor) -> Tensor:
        """Converts a weight of the other codebase."""
        if self.rotated:
            return _rotate(value, self.rotated, -1)
        # cloned: a view would save the dropped rows too
        return value[self.dropped :].clone() if self.dropped else value

    def to_theirs(self, value: Tensor, first: Tensor | None = None) -> Tensor:
        """Converts a weight of MMDetection; ``first`` are the dropped rows, 0 by default."""
        if self.rotated:
            return _rotate(value, self.rotated, 1)
        if not self.dropped:
            return value
        if first is None:
            first = value.new_zeros(self.dropped, *self.shape[1:])
        return torch.cat((first.to(value), value))


def _rotate(value: Tensor, rows: int, by: int) -> Tensor:
    """Rotates the rows of each group of ``rows`` by 1 or -1."""
    return value.reshape(-1, rows, *value.shape[1:]).roll(by, dims=1).reshape(value.shape)


def with_bias(
    theirs: str, ours: str, *shape: int, rotated: int = 0, dropped: int = 0
) -> Iterator[NamedTensor]:
    """Names the weight, of this shape, and the bias of a layer."""
    yield NamedTensor(f"{theirs}.weight", f"{ours}.weight", shape, rotated, dropped)
    yield NamedTensor(f"{theirs}.bias", f"{ours}.bias", shape[:1], rotated, dropped)


def _with_norm(
    theirs: str, ours: str, norm: str, *shape: int, counters: bool
) -> Iterator[NamedTensor]:
    """Names the weight of a convolution, and its batch norm ``norm`` of the same parent."""
    yield NamedTensor(f"{theirs}.weight", f"{ours}.weight", shape)
    theirs, ours = (f"{name.rpartition('.')[0]}.{norm}" for name in (theirs, ours))
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield NamedTensor(f"{theirs}.{part}", f"{ours}.{part}", shape[:1])
    if counters:
        yield NamedTensor(f"{theirs}.{COUNTER}", f"{ours}.{COUNTER}", ())


def resnet(
    depth: int, stem: str, block_name: Callable[[int, int], str], counters: bool
) -> Iterator[NamedTensor]:
    """Names the weights of a ResNet of bottleneck blocks.

    Args:
        depth: 50 or 101.
        stem: their name of the first convolution.
        block_name: their name of a block, by stage and block, both from 0.
        counters: whether their batch norms have counters.
    """
    yield from _with_norm(stem, "backbone.conv1", "bn1", 64, 3, 7, 7, counters=counters)
    channels = 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        width = 64 * 2**stage
        for block in range(blocks):
            theirs, ours = block_name(stage, block), f"backbone.layer{stage + 1}.{block}"
            shapes = ((width, channels, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1))
            for i, shape in enumerate(shapes, 1):
                names = f"{theirs}.conv{i}", f"{ours}.conv{i}", f"bn{i}"
                yield from _with_norm(*names, *shape, counters=counters)
            if block == 0:
                names = f"{theirs}.downsample.0", f"{ours}.downsample.0", "1"
                yield from _with_norm(*names, 4 * width, channels, 1, 1, counters=counters)
            channels = 4 * width
