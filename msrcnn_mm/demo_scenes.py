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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator

# Shapes are drawn this many times larger, then averaged down: smooth edges and sub-pixel limbs.
_OVERSAMPLE = 4
# Fractional bits of the coordinates that OpenCV's drawing functions take.
_SHIFT = 4

# An instance of which less than this share can be seen, or fewer pixels, is not worth a label.
MIN_VISIBLE_SHARE = 0.35
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


class _Pen:
    """Draws in a shape's own coordinates (its reach is the unit circle) on two enlarged layers.

    Attributes:
        body: The silhouette, uint8 0 or 255, (S * _OVERSAMPLE, S * _OVERSAMPLE).
        mark: Where the class colour goes, likewise.
    """

    def __init__(self, size: int, centre: Array, reach: float, rng: Rng) -> None:
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._matrix = turn * reach * _OVERSAMPLE
        self._centre = centre * _OVERSAMPLE
        self._scale = reach * _OVERSAMPLE
        self.body: Array = np.zeros((size * _OVERSAMPLE,) * 2, np.uint8)
        self.mark: Array = np.zeros_like(self.body)

    def _place(self, points: Any) -> Array:
        placed = np.asarray(points, float).reshape(-1, 2) @ self._matrix.T + self._centre
        return np.round(placed * (1 << _SHIFT)).astype(np.int32)

    def polygon(self, layer: Array, points: Any, value: int = 255) -> None:
        """Fills the polygon through ``points``, (P, 2)."""
        cv2.fillPoly(layer, [self._place(points)], value, cv2.LINE_8, _SHIFT)

    def ellipse(
        self,
        layer: Array,
        centre: tuple[float, float],
        radii: tuple[float, float],
        value: int = 255,
    ) -> None:
        """Fills an axis-parallel (before the turn) ellipse."""
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        points = np.stack([np.cos(t) * radii[0], np.sin(t) * radii[1]], axis=1)
        self.polygon(layer, points + centre, value)

    def stroke(self, layer: Array, points: Any, width: float) -> None:
        """Draws a line of ``width`` through ``points``, (P, 2)."""
        thickness = max(1, round(width * self._scale))
        cv2.polylines(layer, [self._place(points)], False, 255, thickness, cv2.LINE_8, _SHIFT)


def _between(thick: float, thin: float, thinness: float) -> float:
    return thick + (thin - thick) * thinness


def _beetle(pen: _Pen, thinness: float, rng: Rng) -> None:
    """An oval body on six bent legs."""
    for side in (-1, 1):
        for x in (-0.4, 0.0, 0.4):
            bend = rng.uniform(-0.15, 0.15)
            leg = [(x, 0), (1.3 * x + bend, 0.62 * side), (1.5 * x - bend, 0.93 * side)]
            pen.stroke(pen.body, leg, _between(0.2, 0.06, thinness))
            pen.ellipse(pen.mark, leg[-1], (0.12, 0.12))
    pen.ellipse(pen.body, (0, 0), (0.8, 0.4))
    pen.ellipse(pen.mark, (0, 0), (0.28, 0.16))


def _ring(pen: _Pen, thinness: float, rng: Rng) -> None:
    """A round or oval rim around a hole."""
    squeeze = rng.uniform(0.65, 1)
    hole = _between(0.4, 0.8, thinness)
    pen.ellipse(pen.body, (0, 0), (1, squeeze))
    pen.ellipse(pen.body, (0, 0), (hole, squeeze * hole), 0)
    middle = (1 + hole) / 2
    for x, y in ((1, 0), (-1, 0), (0, squeeze), (0, -squeeze)):
        pen.ellipse(pen.mark, (x * middle, y * middle), (0.13, 0.13))


def _star(pen: _Pen, thinness: float, rng: Rng) -> None:
    """Five to seven spikes."""
    spikes = int(rng.integers(5, 8))
    t = np.arange(2 * spikes) * np.pi / spikes
    radius = np.where(np.arange(2 * spikes) % 2 == 0, 1.0, _between(0.65, 0.3, thinness))
    outline = np.stack([np.cos(t) * radius, np.sin(t) * radius], axis=1)
    pen.polygon(pen.body, outline)
    pen.ellipse(pen.mark, (0, 0), (0.16, 0.16))
    for tip in outline[::2]:
        pen.ellipse(pen.mark, tuple(tip), (0.2, 0.2))


def _tadpole(pen: _Pen, thinness: float, rng: Rng) -> None:
    """A round head with a winding tail."""
    s = np.linspace(0, 1, 24)
    wave = rng.choice([-1, 1]) * rng.uniform(0.2, 0.4) * np.sin(s * rng.uniform(4, 8)) * s
    x, width = -0.55 + 1.5 * s, _between(0.22, 0.05, thinness) * (1 - 0.6 * s)
    tail = np.concatenate(
        [np.stack([x, wave + width], axis=1), np.stack([x, wave - width], axis=1)[::-1]]
    )
    head = _between(0.46, 0.34, thinness)
    pen.polygon(pen.body, tail)
    pen.ellipse(pen.body, (-0.55, 0), (head, head))
    pen.ellipse(pen.mark, (-0.6, 0), (0.16, 0.16))
    pen.ellipse(pen.mark, (0.95, float(wave[-1])), (0.14, 0.14))


def _window(pen: _Pen, thinness: float, rng: Rng) -> None:
    """A frame with two or four panes to look through."""
    height = rng.uniform(0.55, 0.75)
    bar = _between(0.3, 0.1, thinness)
    pen.polygon(pen.body, [(-0.75, -height), (0.75, -height), (0.75, height), (-0.75, height)])
    rows = 1 + int(rng.integers(2))
    pane_x, pane_y = (1.5 - 3 * bar) / 2, (2 * height - (rows + 1) * bar) / rows
    for column in range(2):
        for row in range(rows):
            x = -0.75 + bar + column * (pane_x + bar)
            y = -height + bar + row * (pane_y + bar)
            pane = [(x, y), (x + pane_x, y), (x + pane_x, y + pane_y), (x, y + pane_y)]
            pen.polygon(pen.body, pane, 0)
    for x in (-0.75, 0.75):
        for y in (-height, height):
            pen.ellipse(pen.mark, (x, y), (0.22, 0.22))


_Drawer = Callable[[_Pen, float, Rng], None]
# Drawer and colour (BGR) of each class.
_SHAPES: dict[str, tuple[_Drawer, tuple[int, int, int]]] = {
    "beetle": (_beetle, (40, 40, 220)),
    "ring": (_ring, (225, 120, 20)),
    "star": (_star, (30, 200, 240)),
    "tadpole": (_tadpole, (60, 190, 50)),
    "window": (_window, (200, 50, 190)),
}
CLASSES = tuple(_SHAPES)


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
    tone = rng.uniform(0.55, 0.8) * colour + rng.uniform(10, 60)
    pattern = 22 * _stripes(size, rng.uniform(4, 9), rng) + 9 * _noise(size, 5, rng)
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
    centre = rng.uniform(0.14, 0.86, 2) * size
    reach = rng.uniform(0.13, 0.27) * size
    # Most instances either stand out or hide: a U-shaped draw.
    camouflage = float(rng.beta(0.5, 0.5))
    own = _surface(size, np.array(_SHAPES[CLASSES[label]][1], np.float32), rng)
    # The background from a few pixels away: the right texture, yet broken at the outline.
    shift = rng.integers(5, 12, 2) * rng.choice([-1, 1], 2)
    alike = np.roll(ground, tuple(shift), (0, 1))
    hidden = camouflage * _fade(size, centre, reach, rng)
    return _Look(label, own + (alike - own) * hidden, centre, reach, camouflage)


def _shrink(layer: Array) -> Array:
    """Averages an enlarged layer down to coverage in [0, 1]: float32, (S, S)."""
    side = layer.shape[0] // _OVERSAMPLE
    small = cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


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


def _try_instance(
    image: Array, ground: Array, looks: list[_Look], instances: list[Instance], rng: Rng
) -> bool:
    """Draws one more instance on top, unless it would hide another one; returns whether it did."""
    size = image.shape[0]
    look = _draw_look(size, ground, rng)
    if looks and rng.random() < 0.25:
        model = looks[int(rng.integers(len(looks)))]
        angle = rng.uniform(0, 2 * np.pi)
        away = rng.uniform(0.8, 1.3) * model.reach * np.array([np.cos(angle), np.sin(angle)])
        look = _Look(model.label, model.surface, model.centre + away, model.reach, model.camouflage)
    thinness = float(rng.uniform())
    drawer, colour = _SHAPES[CLASSES[look.label]]
    pen = _Pen(size, look.centre, look.reach, rng)
    drawer(pen, thinness, rng)
    body = _shrink(pen.body)
    mask = body >= 0.5
    area = int(mask.sum())
    if area < MIN_VISIBLE_PIXELS or _covers_too_much(mask, instances):
        return False
    if rng.random() < 0.3:
        taken = np.any([other.mask for other in instances], axis=0) if instances else False
        _smear(image, look, ~np.broadcast_to(taken, (size, size)), rng)
    image += (look.surface - image) * body[..., None]
    mark = _shrink(np.minimum(pen.mark, pen.body))
    image += (np.array(colour, np.float32) - image) * mark[..., None]
    for other in instances:
        other.mask &= ~mask
    instances.append(Instance(look.label, mask, thinness, look.camouflage, area))
    looks.append(look)
    return True


def draw_scene(size: int, rng: Rng) -> Scene:
    """Draws a scene of up to eight instances.

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
    for _ in range(int(rng.integers(3, 9))):
        # A few places are tried; on a crowded image the instance is left out.
        any(_try_instance(image, ground, looks, instances, rng) for _ in range(4))
    image += rng.normal(0, 4, image.shape)
    return Scene(np.clip(np.round(image), 0, 255).astype(np.uint8), instances)
