"""Near-duplicates by difference hashes."""

import io

import numpy as np
from PIL import Image, ImageEnhance

from msrcnn_mm.inspection.duplicates import SIDE, difference_hash, near_duplicates, thumbnail

RNG = np.random.default_rng(0)


def scene(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A smooth random image, as photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def compressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=40)
    return Image.open(file)


def stack(images: list[Image.Image]) -> np.ndarray:
    return np.stack([thumbnail(image) for image in images])


def test_a_hash_is_that_of_its_definition():
    """Krawetz: shrink to one column more than bits, take grey, compare neighbours in each row."""
    image = scene(0)
    small = image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.LANCZOS)
    expected = [
        small.getpixel((x + 1, y)) > small.getpixel((x, y))
        for y in range(SIDE)
        for x in range(SIDE)
    ]
    assert difference_hash(stack([image]))[0].tolist() == expected


def test_altered_copies_are_found_and_other_images_are_not():
    images = [scene(seed) for seed in range(30)]
    copies = [
        compressed(images[3]),
        images[5].resize((53, 40)),
        ImageEnhance.Brightness(images[7]).enhance(1.2),
        images[11].crop((2, 2, 158, 118)),
        scene(99),
        images[3].transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    ]
    assert list(near_duplicates(stack(images), stack(copies))) == [(3, 0), (5, 1), (7, 2), (11, 3)]


def test_hashes_that_are_alike_by_chance_are_no_duplicates():
    """Two images that brighten to the right all have one hash; what they show differs."""
    ramp = np.tile(np.arange(SIDE + 1, dtype=np.uint8), (SIDE, 1))
    tall = ramp + np.arange(0, 15 * SIDE, 15, np.uint8)[:, None]
    assert (difference_hash(ramp[None]) == difference_hash(tall[None])).all()
    assert list(near_duplicates(ramp[None], tall[None])) == []
    assert list(near_duplicates(tall[None], tall[None])) == [(0, 0)]


def test_images_that_show_nothing_are_not_compared():
    grey = np.full((2, SIDE, SIDE + 1), 90, np.uint8)
    assert list(near_duplicates(grey, grey)) == []
    assert list(near_duplicates(grey[:0], grey)) == []
