"""Draws one demo scene: textured, overlapping shapes whose outlines range from plain to hidden.

What makes a shape's class plain and what makes its outline hard are drawn independently, so that
a class score says little about the mask:

* Every instance carries *marks* in the pure colour of its class, at its core and its extremities:
  class and box are easy to find however hard the outline is.
* ``thinness`` thins limbs, spikes, tails, rims and bars.
* ``camouflage`` paints the surface with the texture of the background around it, fading in across
  the shape, so that part of the outline is lost.
* A *smear* continues the surface's texture past the outline, over the background.
* A *twin* lies across an earlier instance of its class and wears the very same texture.

Shape shorthand: S is the side of the image in pixels, G the number of instances.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .shapes import CLASSES, SHAPES, Array, Pen, Rng, shrink

# An instance of which less than this share can be seen, or fewer pixels, is not worth a label.
MIN_VISIBLE_SHARE = 0.6
MIN_VISIBLE_PIXELS = 24


@dataclass
class Instance:
    """One shape as it is drawn.

    Attributes:
        label: Index into :data:`CLASSES`.
        mask: What of it can be seen, bool, (S, S).
        thinness: 0 (sturdy) to 1 (thread-like parts).
        camouflage: 0 (stands out) to 1 (its surface is the background's, on one side at least).
        full_area: Pixels inside the image before anything covered it.
    """

    label: int
    mask: Array
    thinness: float
    camouflage: float
    full_area: int


@dataclass
class Scene:
    """An image, BGR uint8, (S, S, 3), and its G instances from the lowest to the topmost."""

    image: Array
    instances: list[Instance]


def _noise(size: int, cell: float, rng: Rng) -> Array:
    """Smooth noise of mean 0 and deviation 1 that varies over ``cell`` pixels: (S, S)."""
    side = max(2, round(size / cell) + 1)
    grid = rng.standard_normal((side, side)).astype(np.float32)
    field = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / (field.std() + 1e-6)


def _stripes(size: int, period: float, rng: Rng) -> Array:
    """Slightly wavy stripes between -1 and 1: (S, S)."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    along = x * np.cos(angle) + y * np.sin(angle) + 0.3 * period * _noise(size, 2.5 * period, rng)
    return np.sin(2 * np.pi / period * along + phase)


def _background(size: int, rng: Rng) -> Array:
    """A muted, mottled ground with a grain: float32, (S, S, 3)."""
    grey = rng.uniform(70, 170)
    ground = np.full((size, size, 3), grey, np.float32) + rng.uniform(-22, 22, 3)
    for cell, strength in ((size / 3, 16), (size / 10, 12)):
        tint = rng.uniform(0.6, 1.2, 3)
        ground += strength * _noise(size, cell, rng)[..., None] * tint
    return ground + rng.uniform(6, 14) * _stripes(size, rng.uniform(6, 12), rng)[..., None]


def _surface(size: int, colour: Array, rng: Rng) -> Array:
    """The texture of an instance that does not hide, a duller class colour: (S, S, 3)."""
    tone = rng.uniform(0.65, 0.85) * colour + rng.uniform(10, 40)
    pattern = 14 * _stripes(size, rng.uniform(4, 9), rng) + 8 * _noise(size, 5, rng)
    return tone + pattern[..., None]


def _fade(size: int, centre: Array, reach: float, rng: Rng) -> Array:
    """A ramp across an instance, 1 on one side of it to about 0 on the other: (S, S, 1)."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    along = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / reach
    return np.clip(0.75 - 0.6 * along, 0, 1)[..., None]


@dataclass
class _Look:
    """What a twin takes over from the instance it lies across."""

    label: int
    surface: Array
    centre: Array
    reach: float
    camouflage: float


def _draw_look(size: int, ground: Array, rng: Rng) -> _Look:
    label = int(rng.integers(len(CLASSES)))
    centre = rng.uniform(0.18, 0.82, 2) * size
    reach = rng.uniform(0.19, 0.31) * size
    # Most instances either stand out or hide: a U-shaped draw.
    camouflage = float(rng.beta(0.4, 0.8))
    own = _surface(size, np.array(SHAPES[CLASSES[label]][1], np.float32), rng)
    # The background from a few pixels away: the right texture, yet broken at the outline.
    shift = rng.integers(5, 12, 2) * rng.choice([-1, 1], 2)
    alike = np.roll(ground, tuple(shift), (0, 1))
    hidden = camouflage * _fade(size, centre, reach, rng)
    return _Look(label, own + (alike - own) * hidden, centre, reach, camouflage)


def _covers_too_much(mask: Array, below: list[Instance]) -> bool:
    for other in below:
        left = int((other.mask & ~mask).sum())
        if left < max(MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE * other.full_area):
            return True
    return False


def _smear(image: Array, look: _Look, free: Array, rng: Rng) -> None:
    """Carries a surface's texture over the free background beside its outline, in place."""
    size = image.shape[0]
    angle = rng.uniform(0, 2 * np.pi)
    middle = look.centre + 0.75 * look.reach * np.array([np.cos(angle), np.sin(angle)])
    y, x = np.mgrid[:size, :size].astype(np.float32)
    distance = np.hypot(x - middle[0], y - middle[1]) / (look.reach * rng.uniform(0.5, 0.8))
    strength = np.clip(3 * (1 - distance), 0, 1) * free
    image += (look.surface - image) * strength[..., None]


def _twin_of(model: _Look, rng: Rng) -> _Look:
    angle = rng.uniform(0, 2 * np.pi)
    away = rng.uniform(0.8, 1.3) * model.reach * np.array([np.cos(angle), np.sin(angle)])
    return replace(model, centre=model.centre + away)


def _try_instance(
    image: Array,
    ground: Array,
    looks: list[_Look],
    instances: list[Instance],
    is_twin: bool,
    rng: Rng,
) -> bool:
    """Draws one more instance on top, unless it would hide another one; returns whether it did."""
    size = image.shape[0]
    if is_twin:
        look = _twin_of(looks[int(rng.integers(len(looks)))], rng)
    else:
        look = _draw_look(size, ground, rng)
    thinness = float(rng.beta(0.5, 1.0))
    drawer, colour = SHAPES[CLASSES[look.label]]
    pen = Pen(size, look.centre, look.reach, rng)
    drawer(pen, thinness, rng)
    body = shrink(pen.body)
    mask = body >= 0.5
    area = int(mask.sum())
    if area < MIN_VISIBLE_PIXELS or _covers_too_much(mask, instances):
        return False
    taken = np.zeros_like(mask)
    for other in instances:
        taken |= other.mask
    # Shapes cover one another now and then, not as often as so crowded an image would have it.
    if not is_twin and (mask & taken).any() and rng.random() < 0.75:
        return False
    if rng.random() < 0.25:
        _smear(image, look, ~taken, rng)
    image += (look.surface - image) * body[..., None]
    mark = shrink(np.minimum(pen.mark, pen.body))
    image += (np.array(colour, np.float32) - image) * mark[..., None]
    for other in instances:
        other.mask &= ~mask
    instances.append(Instance(look.label, mask, thinness, look.camouflage, area))
    looks.append(look)
    return True


def draw_scene(size: int, rng: Rng) -> Scene:
    """Draws a scene of two to five instances (fewer where there is no room).

    Args:
        size: Side of the image in pixels, S.
        rng: Every choice comes from it: the same state draws the same scene.

    Returns:
        The scene. Its masks are modal: they do not overlap.
    """
    ground = _background(size, rng)
    image = ground.copy()
    looks: list[_Look] = []
    instances: list[Instance] = []
    for _ in range(int(rng.integers(2, 6))):
        is_twin = bool(looks) and rng.random() < 0.15
        # A few places are tried; on a crowded image the instance is left out.
        any(_try_instance(image, ground, looks, instances, is_twin, rng) for _ in range(6))
    image += rng.normal(0, 4, image.shape)
    return Scene(np.clip(np.round(image), 0, 255).astype(np.uint8), instances)
