"""Finds images that are nearly the same, by a hash of their gradients.

Shape shorthand: N and M images of two data sets.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from msrcnn_mm.processes import progress

SIDE = 16
"""Side of the grid of a hash, which has SIDE x SIDE bits."""

_BITS = SIDE * SIDE
_DIFFERENT = 0.15
"""Greatest share of bits in which the hashes of near-duplicates differ."""

_ALIKE = 0.9
"""Least correlation of the thumbnails of near-duplicates.

The hashes of images without gradients, such as cells on black, are alike by chance.
"""

_FLAT = 2  # standard deviation of grey levels below which a thumbnail shows nothing
_AT_ONCE = 20_000_000  # pairs of images

Thumbnail = NDArray[np.uint8]
"""(SIDE, SIDE + 1), grey."""


def thumbnail(image: Image.Image) -> Thumbnail:
    """Returns the grey thumbnail of an image of 8 bits, from which its hash follows."""
    return np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS))


def difference_hash(thumbnails: Thumbnail) -> NDArray[np.bool_]:
    """Returns the hashes of thumbnails: which pixels are brighter than their left neighbours.

    It is the difference hash of N. Krawetz ("Kind of Like That", 2013), with 256 bits for 64.

    Args:
        thumbnails: (N, SIDE, SIDE + 1).

    Returns:
        (N, SIDE * SIDE).
    """
    return (thumbnails[:, :, 1:] > thumbnails[:, :, :-1]).reshape(len(thumbnails), _BITS)


def near_duplicates(one: Thumbnail, other: Thumbnail) -> Iterator[tuple[int, int]]:
    """Yields the pairs of images of two data sets that are nearly the same.

    The hashes differ in at most 15% of the bits, and the thumbnails are correlated by 0.9 or more.
    Thumbnails of one grey are not compared.

    Args:
        one: (N, SIDE, SIDE + 1).
        other: (M, SIDE, SIDE + 1).

    Yields:
        Positions in both, those of the first ascending.
    """
    shown, other_shown = (np.flatnonzero(t.std(axis=(1, 2)) >= _FLAT) for t in (one, other))
    bits, other_bits = (
        difference_hash(t[s]).astype(np.float32) * 2 - 1
        for t, s in ((one, shown), (other, other_shown))
    )
    greys, other_greys = _standardized(one[shown]), _standardized(other[other_shown])
    least = _BITS * (1 - 2 * _DIFFERENT)  # of agreeing bits less the others
    rows_at_once = max(1, _AT_ONCE // max(len(other_shown), 1))
    starts = range(0, len(shown), rows_at_once)
    for start in progress(starts, "comparing images", len(starts)):
        part = slice(start, start + rows_at_once)
        rows, columns = np.nonzero(bits[part] @ other_bits.T >= least)
        alike = (greys[part][rows] * other_greys[columns]).sum(axis=1) >= _ALIKE
        for row, column in zip(rows[alike], columns[alike], strict=True):
            yield int(shown[start + row]), int(other_shown[column])


def _standardized(thumbnails: Thumbnail) -> NDArray[np.float32]:
    """Returns (N, pixels) of mean 0 and norm 1, whose products are correlations."""
    flat = thumbnails.reshape(len(thumbnails), _BITS + SIDE).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return flat
