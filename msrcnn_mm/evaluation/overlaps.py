"""Computes the overlaps of detections with instances, once for all rankings.

Only pairs that overlap are kept. Detections and instances are ordered by class, then by image, then
as they were given: this is pycocotools' order, which decides ties.

Shape shorthand: D detections, G instances (crowd regions too), P overlapping pairs, K classes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, repeat
from typing import Any

import numpy as np
import pycocotools.mask as mask_utils
from numpy.typing import NDArray
from pycocotools.coco import COCO

from msrcnn_mm.coco.detections import Detections, Rle
from msrcnn_mm.coco.lazy_rles import LazyRles
from msrcnn_mm.coco.packed_rles import PackedRles
from msrcnn_mm.coco.rle import Ints as Ints
from msrcnn_mm.errors import UserError
from msrcnn_mm.processes import in_processes

from .protocol import Protocol

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_GROUPS = 50
"""Number of groups whose IoUs are computed together."""

_DETECTIONS = 1 << 16
"""About as many detections are matched together, which bounds the memory."""

_MOST_AT_ONCE = 200  # pycocotools.mask.area overflows from 256 RLEs on under numpy 2


@dataclass(frozen=True)
class Overlaps:
    """Detections, instances and their overlaps.

    Attributes:
        detections: (D,), position of each in the results; those that do not count are left out.
        groups: (D,), a number for its class and image, ascending.
        images: (D,), position of each detection's image among the sorted image ids.
        bounds: (K + 1,), class k holds the detections from ``bounds[k]`` to ``bounds[k + 1]``.
        areas: (D,), of the masks or boxes, pixels.
        instances: G annotations.
        instance_classes: (G,), position of each instance's class among the sorted category ids.
        instance_images: (G,), position of each instance's image among the sorted image ids.
        instance_areas: (G,), as annotated.
        crowds: (G,), which instances are crowd regions.
        findable: (G,), False for the annotation id 0, which pycocotools takes for "no match": a
            detection that finds such an instance counts as a false alarm.
        pairs: (P, 2), detection and instance, as positions in the arrays above; by detection.
        ious: (P,), in (0, 1]; with a crowd region, the share of the detection that lies in it.
    """

    detections: Ints
    groups: Ints
    images: Ints
    bounds: Ints
    areas: Floats
    instances: list[dict[str, Any]]
    instance_classes: Ints
    instance_images: Ints
    instance_areas: Floats
    crowds: Bools
    findable: Bools
    pairs: Ints
    ious: Floats

    @cached_property
    def by_iou(self) -> Ints:
        """(P,), positions of the pairs by detection, then IoU, then instance."""
        return np.lexsort((self.ious, self.pairs[:, 0]))  # stable

    def class_blocks(self) -> Iterator[tuple["Overlaps", slice]]:
        """Yields blocks of whole classes, with which what is found by class needs less memory.

        Yields:
            The overlaps of some classes, and their part of the D detections; at least one.
        """
        first, classes = 0, len(self.bounds) - 1
        while True:
            most = self.bounds[first] + _DETECTIONS
            end = max(first + 1, int(np.searchsorted(self.bounds, most, "right")) - 1)
            yield self._of_classes(first, min(end, classes))
            first = end
            if first >= classes:
                return

    def _of_classes(self, first: int, end: int) -> tuple["Overlaps", slice]:
        bounds = self.bounds[first : end + 1]
        own = slice(int(bounds[0]), int(bounds[-1]))
        pairs = slice(*np.searchsorted(self.pairs[:, 0], (own.start, own.stop)).tolist())
        known = slice(*np.searchsorted(self.instance_classes, (first, end)).tolist())
        part = Overlaps(
            detections=self.detections[own],
            groups=self.groups[own],
            images=self.images[own],
            bounds=bounds - own.start,
            areas=self.areas[own],
            instances=self.instances[known],
            instance_classes=self.instance_classes[known] - first,
            instance_images=self.instance_images[known],
            instance_areas=self.instance_areas[known],
            crowds=self.crowds[known],
            findable=self.findable[known],
            pairs=self.pairs[pairs] - (own.start, known.start),
            ious=self.ious[pairs],
        )
        return part, own

    def best_ious(self) -> Floats:
        """Returns (D,) IoUs with the best-fitting instance, crowd regions left out."""
        best = np.zeros(len(self.detections))
        single = ~self.crowds[self.pairs[:, 1]]
        np.maximum.at(best, self.pairs[single, 0], self.ious[single])
        return best

    def spread(self, values: Floats, total: int) -> Floats:
        """Returns (D,) values in the order of all results, NaN for those that do not count."""
        spread = np.full(total, np.nan)
        spread[self.detections] = values
        return spread


def find_overlaps(
    coco: COCO, detections: Detections, protocol: Protocol, iou_type: str = "segm"
) -> Overlaps:
    """Computes every IoU that an evaluation needs, once.

    Args:
        coco: The annotations.
        detections: With masks, or for ``bbox`` with boxes.
        protocol: The classes and images that count.
        iou_type: ``segm`` or ``bbox``.

    Raises:
        UserError: The detections lack masks or boxes, or do not fit the annotations' images; two
            annotations have the same id, or one has no area.
    """
    _check_instances(coco)
    detections.check_fit(coco)
    return overlaps_of(coco, detections, protocol.category_ids, protocol.image_ids, iou_type)


def overlaps_of(
    coco: COCO,
    detections: Detections,
    category_ids: Iterable[Any],
    image_ids: Iterable[Any],
    iou_type: str = "segm",
) -> Overlaps:
    """Computes the IoUs of some classes and images, of checked annotations and detections.

    Raises:
        UserError: The detections lack masks or boxes.
    """
    masks = iou_type == "segm"
    shapes: Any = detections.masks if masks else detections.boxes
    if len(detections) and (shapes is None or (not masks and np.isnan(shapes).any())):
        field = "segmentation" if masks else "bbox"
        raise UserError(f"detections have no '{field}', which {iou_type} is computed from")
    classes = {category_id: k for k, category_id in enumerate(sorted_ids(category_ids))}
    images = {image_id: i for i, image_id in enumerate(sorted_ids(image_ids))}

    positions, groups = _in_order(detections.category_ids, detections.image_ids, classes, images)
    annotations = [a for image_id in images for a in coco.imgToAnns.get(image_id, [])]
    order, instance_groups = _in_order(
        [a["category_id"] for a in annotations],
        [a["image_id"] for a in annotations],
        classes,
        images,
    )
    instances = [annotations[i] for i in order]
    crowds = np.array([bool(a.get("iscrowd", 0)) for a in instances], bool)

    if masks and not isinstance(shapes, LazyRles):
        shapes = PackedRles.of(shapes or ())

    def detected(some: Ints) -> list[Any]:
        return shapes.take(positions[some]) if masks else list(shapes[positions[some]])

    def annotated(some: slice) -> list[Any]:
        return [coco.annToRLE(a) if masks else a["bbox"] for a in instances[some]]

    shared = np.intersect1d(groups, instance_groups)
    shared = shared[np.argsort(shared % max(1, len(images)), kind="stable")]  # by image
    pairs, ious = _pairwise(detected, groups, annotated, instance_groups, crowds, shared)
    if not masks:
        boxes = np.zeros((0, 4)) if shapes is None else shapes[positions]
        areas = boxes[:, 2] * boxes[:, 3]
    elif detections.areas is None or np.isnan(detections.areas).any():
        areas = mask_areas(shapes)[positions]
    else:
        areas = detections.areas[positions]
    return Overlaps(
        detections=positions,
        groups=groups,
        images=groups % max(1, len(images)),
        bounds=np.searchsorted(groups, np.arange(len(classes) + 1) * len(images)),
        areas=areas,
        instances=instances,
        instance_classes=instance_groups // max(1, len(images)),
        instance_images=instance_groups % max(1, len(images)),
        instance_areas=np.array([a.get("area", np.nan) for a in instances], float),
        crowds=crowds,
        findable=np.array([a["id"] != 0 for a in instances], bool),
        pairs=pairs,
        ious=ious,
    )


def sorted_ids(ids: Iterable[Any]) -> list[Any]:
    """Returns distinct ids in order, numbers before text."""
    return sorted(set(ids), key=lambda one: (isinstance(one, str), one))


def mask_areas(rles: Sequence[Rle]) -> Floats:
    """Returns the number of pixels of each RLE."""

    def of_some(first: int) -> Floats:
        areas: Floats = mask_utils.area(list(rles[first : first + _MOST_AT_ONCE])).astype(float)
        return areas

    starts = range(0, len(rles), _MOST_AT_ONCE)
    return np.concatenate([np.zeros(0), *in_processes(of_some, starts, "areas")])


def _check_instances(coco: COCO) -> None:
    """Refuses ids given twice and absent areas, with which pycocotools computes a wrong AP."""
    annotations = coco.dataset.get("annotations", [])
    if len(coco.anns) != len(annotations):
        ids = Counter(a["id"] for a in annotations)
        raise UserError(f"two annotations have the id {ids.most_common(1)[0][0]}: number them anew")
    for annotation in annotations:
        if "area" not in annotation:
            raise UserError(f"annotation {annotation['id']} has no 'area'")


def _in_order(
    category_ids: Sequence[Any],
    image_ids: Sequence[Any],
    classes: dict[Any, int],
    images: dict[Any, int],
) -> tuple[Ints, Ints]:
    """Returns the positions of the items that count, in order, and their groups."""
    k, i = (
        np.fromiter(map(places.get, ids, repeat(-1)), np.int64, len(ids))
        for places, ids in ((classes, category_ids), (images, image_ids))
    )
    groups = np.where((k < 0) | (i < 0), -1, k * len(images) + i)
    order = np.argsort(groups, kind="stable")
    order = order[np.searchsorted(groups[order], 0) :]
    return order, groups[order]


def _pairwise(
    detected: Callable[[Ints], list[Any]],
    groups: Ints,
    annotated: Callable[[slice], list[Any]],
    instance_groups: Ints,
    crowds: Bools,
    shared: Ints,
) -> tuple[Ints, Floats]:
    """Returns (P, 2) pairs that overlap and their (P,) IoUs, by detection, then instance.

    Args:
        detected: Returns the masks or boxes of some detections.
        groups: (D,) of the detections, ascending.
        annotated: Returns the masks or boxes of some instances.
        instance_groups: (G,), ascending.
        crowds: (G,), which instances are crowd regions.
        shared: Groups that have both, in the order in which they are looked at. The masks of
            :data:`_GROUPS` of them are held at the same time, so images come one after the other:
            results files have them so.
    """
    ends = [np.searchsorted(g, [shared, shared + 1]).T for g in (groups, instance_groups)]

    def of_groups(first: int) -> tuple[Ints, Floats]:
        pairs, ious = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
        of_detections, of_instances = (e[first : first + _GROUPS].tolist() for e in ends)
        places = [np.arange(start, end) for start, end in of_detections]
        found = iter(detected(np.concatenate([np.zeros(0, np.int64), *places])))
        for (d, d_end), (g, g_end) in zip(of_detections, of_instances, strict=True):
            of_group = mask_utils.iou(
                list(islice(found, d_end - d)),
                annotated(slice(g, g_end)),
                crowds[g:g_end].astype(int).tolist(),
            )
            detection, instance = of_group.nonzero()
            pairs.append(np.stack((detection + d, instance + g), axis=1))
            ious.append(of_group[detection, instance])
        return np.concatenate(pairs), np.concatenate(ious)

    starts = range(0, len(shared), _GROUPS)
    parts = [of_groups(0), *in_processes(of_groups, starts[1:], "IoUs", _GROUPS)]
    pairs = np.concatenate([p for p, _ in parts])
    by_detection = np.argsort(pairs[:, 0], kind="stable")
    return pairs[by_detection], np.concatenate([i for _, i in parts])[by_detection]
