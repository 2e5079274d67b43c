"""MMDetection's COCO data set, with annotations as every other part of the package reads them."""

from collections.abc import Mapping
from typing import Any

from mmdet.datasets import coco
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.dist import is_main_process

from msrcnn_mm.coco.annotations import AnnotationFile


class CompletedCOCO(COCO):
    """An index of an annotation file whose fields are checked and completed.

    Args:
        annotation_file: The file.

    Raises:
        UserError: The file or an entry cannot be read.
    """

    def __init__(self, annotation_file: str) -> None:
        super().__init__()
        file = AnnotationFile.read(annotation_file)
        file.complete(masks=False)
        if is_main_process():
            file.warn_of_notes(again=False)
        file.put_into(self)

    def createIndex(self) -> None:  # noqa: N802 - pycocotools' name
        """Creates the index, under MMDetection's names as well."""
        super().createIndex()
        self.img_ann_map, self.cat_img_map = self.imgToAnns, self.catToImgs


@DATASETS.register_module(force=True)
class CocoDataset(coco.CocoDataset):
    """Replaces MMDetection's class of the same name; its annotation file is completed.

    See :class:`.AnnotationFile`: absent boxes, areas, ``iscrowd`` and ids are filled in, and
    annotations of images or categories that the file does not list are left out. Files that need
    none of that give the same data set. Arguments are those of MMDetection's class.
    """

    COCOAPI = CompletedCOCO


def meta_of(dataset: Any) -> Mapping[str, Any]:
    """Returns the meta information of a data set, and of a ``ConcatDataset`` that of its first.

    A ``ConcatDataset`` has a list where its data sets differ, be it in colours.
    """
    meta = getattr(dataset, "metainfo", None) or {}
    first: Mapping[str, Any] = meta[0] if isinstance(meta, list) else meta
    return first
