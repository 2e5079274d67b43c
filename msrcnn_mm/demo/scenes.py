"""Draws demo scenes: textured, overlapping shapes with outlines from clear to hidden.

The class of a shape is easy to recognise and its outline may be hard to find, independently of each
other, so that a class score depends little on the mask:

* Every instance has *marks* in the pure colour of its class, at its core and its extremities. They
  make class and box easy to find.
* ``thinness`` thins limbs, spikes, tails, rims and bars.
* ``camouflage`` gives the surface the texture of the background, increasingly across the shape, so
  that part of the outline is hidden.
* A *smear* continues the surface's texture past the outline, over the background.
* A *twin* overlaps an earlier instance of its class and has the same texture.

Shape shorthand: S is the side of the image in pixels, G the number of instances.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .shapes import CLASSES, SHAPES, Array, Pen, Rng, shrink

# No instance may be covered so far that less than this share, or fewer pixels, can be seen.
MIN_VISIBLE_SHARE = 0.6
MIN_VISIBLE_PIXELS = 24


@dataclass
class Instance:
    """A drawn shape.

    Attributes:
        label: Index into :data:`CLASSES`.
        mask: (S, S), its visible part, bool.
        thinness: From 0 (thick parts) to 1 (thin parts).
        camouflage: From 0 (own texture) to 1 (the background's texture on one side at least).
        full_area: Pixels inside the image before other shapes covered it.
    """

    label: int
    mask: Array
    thinness: float
    camouflage: float
    full_area: int


@dataclass
class Scene:
    """An image and its instances.

    Attributes:
        image: (S, S, 3), BGR, uint8.
        instances: G instances from the lowest to the topmost.
    """

    image: Array
    instances: list[Instance]


def _noise(size: int, cell: float, rng: Rng) -> Array:
    """Returns (S, S) smooth noise of mean 0 and deviation 1 that varies over ``cell`` pixels."""
    side = max(2, round(size / cell) + 1)
    grid = rng.standard_normal((side, side)).astype(np.float32)
    field = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
    noise: Array = (field - field.mean()) / (field.std() + 1e-6)
    return noise


def _stripes(size: int, period: float, rng: Rng) -> Array:
    """Returns (S, S) slightly wavy stripes between -1 and 1."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    along = x * np.cos(angle) + y * np.sin(angle) + 0.3 * period * _noise(size, 2.5 * period, rng)
    stripes: Array = np.sin(2 * np.pi / period * along + phase)
    return stripes


def _background(size: int, rng: Rng) -> Array:
    """Returns an (S, S, 3) mottled background with a grain, float32."""
    grey = rng.uniform(70, 170)
    ground = np.full((size, size, 3), grey, np.float32) + rng.uniform(-22, 22, 3)
    for cell, strength in ((size / 3, 16), (size / 10, 12)):
        tint = rng.uniform(0.6, 1.2, 3)
        ground += strength * _noise(size, cell, rng)[..., None] * tint
    return ground + rng.uniform(6, 14) * _stripes(size, rng.uniform(6, 12), rng)[..., None]


def _surface(size: int, colour: Array, rng: Rng) -> Array:
    """Returns the (S, S, 3) texture of an instance without camouflage, a dull class colour."""
    tone = rng.uniform(0.65, 0.85) * colour + rng.uniform(10, 40)
    pattern = 14 * _stripes(size, rng.uniform(4, 9), rng) + 8 * _noise(size, 5, rng)
    texture: Array = tone + pattern[..., None]
    return texture


def _fade(size: int, centre: Array, reach: float, rng: Rng) -> Array:
    """Returns an (S, S, 1) ramp across an instance, from 1 on one side to about 0 on the other."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    along = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / reach
    ramp: Array = np.clip(0.75 - 0.6 * along, 0, 1)[..., None]
    return ramp


@dataclass
class _Look:
    """The properties that a twin shares with the instance that it overlaps."""

    label: int
    surface: Array
    centre: Array
    reach: float
    camouflage: float


def _draw_look(size: int, ground: Array, rng: Rng) -> _Look:
    """Draws the class, place, size, camouflage and texture of an instance."""
    label = int(rng.integers(len(CLASSES)))
    centre = rng.uniform(0.18, 0.82, 2) * size
    reach = rng.uniform(0.19, 0.31) * size
    # The distribution is U-shaped: most instances either stand out or are hidden.
    camouflage = float(rng.beta(0.4, 0.8))
    own = _surface(size, np.array(SHAPES[CLASSES[label]][1], np.float32), rng)
    # The background is shifted by a few pixels: the texture is the same but breaks at the outline.
    shift = rng.integers(5, 12, 2) * rng.choice([-1, 1], 2)
    alike = np.roll(ground, tuple(shift), (0, 1))
    hidden = camouflage * _fade(size, centre, reach, rng)
    return _Look(label, own + (alike - own) * hidden, centre, reach, camouflage)


def _covers_too_much(mask: Array, below: list[Instance]) -> bool:
    """Returns whether too little of another instance stays visible under a mask."""
    for other in below:
        left = int((other.mask & ~mask).sum())
        if left < max(MIN_VISIBLE_PIXELS, MIN_VISIBLE_SHARE * other.full_area):
            return True
    return False


def _smear(image: Array, look: _Look, free: Array, rng: Rng) -> None:
    """Draws an instance's texture over the free background beside its outline, in place."""
    size = image.shape[0]
    angle = rng.uniform(0, 2 * np.pi)
    middle = look.centre + 0.75 * look.reach * np.array([np.cos(angle), np.sin(angle)])
    y, x = np.mgrid[:size, :size].astype(np.float32)
    distance = np.hypot(x - middle[0], y - middle[1]) / (look.reach * rng.uniform(0.5, 0.8))
    strength = np.clip(3 * (1 - distance), 0, 1) * free
    image += (look.surface - image) * strength[..., None]


def _twin_of(model: _Look, rng: Rng) -> _Look:
    """Returns the same look at a place that overlaps the first."""
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
    """Draws an instance on top unless it would hide another, and returns whether it did."""
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
    # Most overlaps are rejected: at random places they would be too frequent.
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
        rng: The source of every choice; the same state draws the same scene.

    Returns:
        The scene. Its masks are modal, so they do not overlap.
    """
    ground = _background(size, rng)
    image = ground.copy()
    looks: list[_Look] = []
    instances: list[Instance] = []
    for _ in range(int(rng.integers(2, 6))):
        is_twin = bool(looks) and rng.random() < 0.15
        # Six places are tried. If none has room, the instance is left out.
        any(_try_instance(image, ground, looks, instances, is_twin, rng) for _ in range(6))
    image += rng.normal(0, 4, image.shape)
    return Scene(np.clip(np.round(image), 0, 255).astype(np.uint8), instances)
