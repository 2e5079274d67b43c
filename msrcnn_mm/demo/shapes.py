"""Draws the shapes of the demo data and the marks that show their class.

Shape shorthand: S is the side of the image in pixels.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator

# Shapes are drawn this many times larger and averaged down, for smooth edges and thin limbs.
_OVERSAMPLE = 4
# Fractional bits of the coordinates for OpenCV's drawing functions.
_SHIFT = 4


class Pen:
    """Draws on two enlarged layers, in coordinates in which the shape fits into the unit circle.

    Attributes:
        body: (4 S, 4 S), the silhouette, uint8, 0 or 255; :func:`shrink` gives its coverage.
        mark: (4 S, 4 S), the area in the colour of the class, likewise.
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
        rounded: Array = np.round(placed * (1 << _SHIFT)).astype(np.int32)
        return rounded

    def polygon(self, layer: Array, points: Any, value: int = 255) -> None:
        """Fills a polygon of ``points``, (P, 2)."""
        cv2.fillPoly(layer, [self._place(points)], value, cv2.LINE_8, _SHIFT)

    def ellipse(
        self,
        layer: Array,
        centre: tuple[float, float],
        radii: tuple[float, float],
        value: int = 255,
    ) -> None:
        """Fills an ellipse that is axis-parallel in the shape's coordinates."""
        t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        points = np.stack([np.cos(t) * radii[0], np.sin(t) * radii[1]], axis=1)
        self.polygon(layer, points + centre, value)

    def stroke(self, layer: Array, points: Any, width: float) -> None:
        """Draws a line of ``width`` through ``points``, (P, 2)."""
        thickness = max(1, round(width * self._scale))
        cv2.polylines(layer, [self._place(points)], False, 255, thickness, cv2.LINE_8, _SHIFT)


def _between(thick: float, thin: float, thinness: float) -> float:
    return thick + (thin - thick) * thinness


def _beetle(pen: Pen, thinness: float, rng: Rng) -> None:
    """Draws an oval body on six bent legs."""
    for side in (-1, 1):
        for x in (-0.4, 0.0, 0.4):
            bend = rng.uniform(-0.15, 0.15)
            leg = [(x, 0), (1.3 * x + bend, 0.62 * side), (1.5 * x - bend, 0.93 * side)]
            pen.stroke(pen.body, leg, _between(0.28, 0.09, thinness))
            pen.ellipse(pen.mark, leg[-1], (0.15, 0.15))
    pen.ellipse(pen.body, (0, 0), (0.85, 0.5))
    pen.ellipse(pen.mark, (0, 0), (0.32, 0.2))


def _ring(pen: Pen, thinness: float, rng: Rng) -> None:
    """Draws a round or oval rim around a hole."""
    squeeze = rng.uniform(0.65, 1)
    hole = _between(0.3, 0.75, thinness)
    pen.ellipse(pen.body, (0, 0), (1, squeeze))
    pen.ellipse(pen.body, (0, 0), (hole, squeeze * hole), 0)
    middle = (1 + hole) / 2
    for x, y in ((1, 0), (-1, 0), (0, squeeze), (0, -squeeze)):
        pen.ellipse(pen.mark, (x * middle, y * middle), (0.16, 0.16))


def _star(pen: Pen, thinness: float, rng: Rng) -> None:
    """Draws five to seven spikes."""
    spikes = int(rng.integers(5, 8))
    t = np.arange(2 * spikes) * np.pi / spikes
    radius = np.where(np.arange(2 * spikes) % 2 == 0, 1.0, _between(0.75, 0.35, thinness))
    outline = np.stack([np.cos(t) * radius, np.sin(t) * radius], axis=1)
    pen.polygon(pen.body, outline)
    pen.ellipse(pen.mark, (0, 0), (0.2, 0.2))
    for tip in outline[::2]:
        pen.ellipse(pen.mark, tuple(tip), (0.22, 0.22))


def _tadpole(pen: Pen, thinness: float, rng: Rng) -> None:
    """Draws a round head with a winding tail."""
    s = np.linspace(0, 1, 24)
    wave = rng.choice([-1, 1]) * rng.uniform(0.2, 0.4) * np.sin(s * rng.uniform(4, 7)) * s
    x, width = -0.4 + 1.3 * s, _between(0.34, 0.08, thinness) * (1 - 0.5 * s)
    tail = np.concatenate(
        [np.stack([x, wave + width], axis=1), np.stack([x, wave - width], axis=1)[::-1]]
    )
    head = _between(0.58, 0.46, thinness)
    pen.polygon(pen.body, tail)
    pen.ellipse(pen.body, (-0.4, 0), (head, head))
    pen.ellipse(pen.mark, (-0.5, 0), (0.22, 0.22))
    pen.ellipse(pen.mark, (0.9, float(wave[-1])), (0.2, 0.2))


def _window(pen: Pen, thinness: float, rng: Rng) -> None:
    """Draws a frame with two or four openings."""
    height = rng.uniform(0.55, 0.75)
    bar = _between(0.36, 0.14, thinness)
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
            pen.ellipse(pen.mark, (x, y), (0.25, 0.25))


Drawer = Callable[[Pen, float, Rng], None]
# Class -> its function and its colour (BGR).
SHAPES: dict[str, tuple[Drawer, tuple[int, int, int]]] = {
    "beetle": (_beetle, (40, 40, 220)),
    "ring": (_ring, (225, 120, 20)),
    "star": (_star, (30, 200, 240)),
    "tadpole": (_tadpole, (40, 210, 60)),
    "window": (_window, (200, 50, 190)),
}
CLASSES = tuple(SHAPES)


def shrink(layer: Array) -> Array:
    """Averages a (4 S, 4 S) layer down to (S, S) coverage, float32, in [0, 1]."""
    side = layer.shape[0] // _OVERSAMPLE
    small = cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255
