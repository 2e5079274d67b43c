"""MMDetection's COCO data set, with annotations as every other part of the package reads them."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.datasets import coco
from mmdet.datasets.api_wrappers import COCO
from mmdet.registry import DATASETS
from mmengine.dist import is_main_process
from torch import Tensor

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import SettingError, UserError, warn

from ..config.walk import loads_images


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
    none of that give the same data set.

    Args:
        *args: Those of MMDetection's class.
        max_unreadable: Greatest number of images that a training skips because the pipeline's
            loader fails on them; each is named in a warning, replaced by another image at random,
            and not tried again. The processes of a data loader count together, those of several
            GPUs each for itself. 0 skips none; a test skips none.
        **kwargs: Those of MMDetection's class.

    Raises:
        SettingError: ``max_unreadable`` is no integer >= 0.
    """

    COCOAPI = CompletedCOCO

    def __init__(self, *args: Any, max_unreadable: int = 0, **kwargs: Any) -> None:
        if type(max_unreadable) is not int or max_unreadable < 0:
            raise SettingError(f"max_unreadable must be an integer >= 0, not {max_unreadable!r}")
        self.max_unreadable = max_unreadable
        self._unreadable: Tensor | None = None
        super().__init__(*args, **kwargs)

    def full_init(self) -> None:
        """Reads the annotations, as MMDetection's class does."""
        super().full_init()
        if self.max_unreadable and not self.test_mode and self._unreadable is None:
            # the processes of a data loader write into the same memory
            self._unreadable = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def prepare_data(self, idx: int) -> Any:
        """Returns what the pipeline makes of an image; None if another is to be taken.

        Raises:
            UserError: More images than ``max_unreadable`` cannot be loaded.
        """
        if self._unreadable is None:
            return super().prepare_data(idx)
        if self._unreadable[idx]:
            return None
        try:
            return super().prepare_data(idx)
        except MemoryError:
            raise
        except Exception as error:  # a transform may raise anything
            if self._is_loadable(idx):
                raise
            self._skip(idx, error)
            return None

    def _is_loadable(self, idx: int) -> bool:
        """Returns whether the transform that loads images can load one."""
        loader = next((t for t in self.pipeline.transforms if loads_images(type(t))), None)
        try:
            return loader is None or loader(self.get_data_info(idx)) is not None
        except Exception:  # a transform may raise anything
            return False

    def _skip(self, idx: int, error: Exception) -> None:
        assert self._unreadable is not None
        self._unreadable[idx] = True
        count, path = int(self._unreadable.sum()), self.get_data_info(idx)["img_path"]
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if count > self.max_unreadable:
            raise UserError(
                f"the image {path} cannot be loaded ({reason}), and max_unreadable="
                f"{self.max_unreadable} others could not either: repair them, or remove them from "
                f"{self.ann_file}; python -m msrcnn_mm check names all"
            ) from error
        warn(
            f"the image {path} cannot be loaded ({reason}) and is skipped, {count} of at most "
            f"{self.max_unreadable} (max_unreadable)"
        )


def meta_of(dataset: Any) -> Mapping[str, Any]:
    """Returns the meta information of a data set, and of a ``ConcatDataset`` that of its first.

    A ``ConcatDataset`` has a list where its data sets differ, be it in colours.
    """
    meta = getattr(dataset, "metainfo", None) or {}
    first: Mapping[str, Any] = meta[0] if isinstance(meta, list) else meta
    return first
