"""Draws examples of findings: the image, and the annotation that a finding is about."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from msrcnn_mm.coco.json_values import is_box
from msrcnn_mm.coco.polygons import rings
from msrcnn_mm.coco.segmentations import SegmentationError, as_rle, read_segmentation
from msrcnn_mm.report.pictures.image_files import path_inside

from .finding import Finding
from .image_file import open_upright
from .inspect import Inspected

_SIDE = 320  # pixels of a picture
_AROUND = 1.4  # sides of the view, in those of what it shows
_LEAST = 48  # pixels of the image along a side of the view
_OUTLINE, _BOX = "#d55e00", "#56b4e9"
_QUALITY = 85


def draw_finding(finding: Finding, data: Mapping[str, Inspected]) -> bytes | None:
    """Returns a JPEG file's content; None if there is no image that can be shown.

    An annotation is drawn in the part of the image around it, its outline in red, its box in blue.
    Near-duplicates are side by side.

    Args:
        finding: The finding.
        data: Annotation file -> the inspected data set.
    """
    places = [(finding.file, finding.image), finding.other or (finding.file, None)]
    found = [_read(data[file], number) for file, number in places if number is not None]
    images = [image for image in found if image is not None]
    if not images or len(images) < len(found):
        return None
    if finding.annotation is not None:
        images = [_draw_annotation(images[0], data[finding.file], finding)]
    for image in images:
        image.thumbnail((_SIDE, _SIDE))
    picture = Image.new("RGB", (sum(i.width for i in images), max(i.height for i in images)))
    left = 0
    for image in images:
        picture.paste(image, (left, 0))
        left += image.width
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=_QUALITY)
    return file.getvalue()


def _read(inspected: Inspected, number: int) -> Image.Image | None:
    """Returns an image as RGB; None if it is missing, outside its folder or damaged."""
    folder: Path | None = inspected.data.images
    if folder is None or number not in inspected.thumbnails:
        return None
    name = inspected.entries.content["images"][number]["file_name"]
    path = path_inside(folder, name)
    return None if path is None else open_upright(path).convert("RGB")


def _draw_annotation(image: Image.Image, inspected: Inspected, finding: Finding) -> Image.Image:
    """Returns the part of an image around an annotation, with its outline and box."""
    content = inspected.entries.content
    annotation: dict[str, Any] = content["annotations"][finding.annotation]
    entry = content["images"][finding.image]
    polygons = _outlines(annotation.get("segmentation"), entry)
    corners = []
    if is_box(annotation.get("bbox")):
        x, y, width, height = annotation["bbox"]
        corners = [x, y, x + max(width, 0), y + max(height, 0)]
    xs = [value for points in (*polygons, corners) for value in points[::2]]
    ys = [value for points in (*polygons, corners) for value in points[1::2]]
    if not xs:
        return image
    side = max(_AROUND * max(max(xs) - min(xs), max(ys) - min(ys)), _LEAST)
    side = min(side, 2 * max(image.size))
    left, top = (max(xs) + min(xs) - side) / 2, (max(ys) + min(ys) - side) / 2
    scale = _SIDE / side
    view = image.transform(
        (_SIDE, _SIDE),
        Image.Transform.AFFINE,
        (1 / scale, 0, left, 0, 1 / scale, top),
        Image.Resampling.BILINEAR,
    )
    draw = ImageDraw.Draw(view)

    def placed(points: list[float]) -> list[tuple[float, float]]:
        return [
            ((x - left) * scale, (y - top) * scale)
            for x, y in zip(points[::2], points[1::2], strict=True)
        ]

    if corners:
        draw.rectangle(placed(corners), outline=_BOX, width=2)
    for points in polygons:
        draw.line(placed([*points, *points[:2]]), fill=_OUTLINE, width=2)
    return view


def _outlines(segmentation: Any, image: Mapping[str, Any]) -> list[list[float]]:
    """Returns the polygons of a segmentation, traced from an RLE; none if it cannot be read."""
    try:
        mask, _ = read_segmentation(segmentation, image["height"], image["width"])
        if isinstance(mask, list):
            return mask
        return rings(as_rle(mask, image["height"], image["width"]))
    except (SegmentationError, ValueError):
        return []
