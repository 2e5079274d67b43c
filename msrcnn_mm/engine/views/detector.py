"""Compares the masks of any instance segmenter between views of each image at test.

Shape shorthand: N images in a batch, D detections of an image.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.errors import SettingError, UserError, first_names
from msrcnn_mm.rescoring.features.agreement import ENTRY, agreement, with_columns
from msrcnn_mm.rescoring.features.views import View, kind, kinds_of

from ..adapters.mask_encoder import encoded_masks
from ..adapters.predictions import LABELS, to_arrays, to_detections
from .inputs import at_once, mirrored, resized
from .tally import ViewTally

MULTI_VIEW = "MultiViewDetector"
"""The ``type`` of a model with views."""

FLIP = "flip"
"""The view that is the image mirrored left to right; other views are factors of its size."""

_COMPARED = ("bboxes", "labels", "scores", "masks")


class MultiView(BaseDetector):
    """Base of the classes that :func:`multi_view_detector` makes.

    ``predict`` adds to the ``pred_instances`` of each image ``agreement_scores`` and ``consensus``,
    (D,) in double precision, ``view_agreement``, D mappings, the entries of results files, and
    ``mask_rles``, D compressed RLEs of ``masks``. All else is what the detector predicts
    without views, to the last bit: the image is never in one batch with its views.

    Attributes:
        views: Views that are compared with the image.
        swap: Pairs of names of classes that mirroring swaps.
        tally: What the views cost since it was last replaced.
    """

    def __init__(
        self,
        *args: Any,
        views: Sequence[str | float],
        swap: Sequence[Sequence[str]] = (),
        **kwargs: Any,
    ) -> None:
        check_views(views, swap)
        super().__init__(*args, **kwargs)
        self.views = list(views)
        self.swap = [tuple(pair) for pair in swap]
        self.tally = ViewTally()

    @property
    def view_kinds(self) -> list[str]:
        """Sorted kinds of the views, as a re-scorer wants them."""
        return sorted(kind(view == FLIP) for view in self.views)

    def predict(
        self,
        batch_inputs: Tensor,
        batch_data_samples: list[DetDataSample],
        rescale: bool = True,
    ) -> list[DetDataSample]:
        """Predicts a batch, and compares its masks with those of the views.

        Args:
            batch_inputs: (N, C, H, W), preprocessed.
            batch_data_samples: One for each image.
            rescale: Whether results are at the images' original size. Others, on which trainings
                with pseudo labels are built, are not compared.

        Raises:
            UserError: The detector predicts no masks, or a class to swap is none of the model's.
        """
        if not rescale:
            return list(super().predict(batch_inputs, batch_data_samples, rescale=False))
        with self.tally.timed("plain"):
            samples = super().predict(batch_inputs, batch_data_samples)
            detections = [self._detections(sample) for sample in samples]
        views: list[list[View]] = [[] for _ in samples]
        pairs = self.swapped_labels()
        for view in self.views:
            with self.tally.timed(str(view)):
                for of_image, sample in zip(
                    views, self._predict_view(view, batch_inputs, samples), strict=True
                ):
                    seen = self._detections(sample, _COMPARED)
                    of_image.append(View(str(view), seen, view == FLIP, pairs))
        with self.tally.timed("agreement"):
            for sample, own, of_image in zip(samples, detections, views, strict=True):
                self._compare(sample.pred_instances, own, of_image)
        self.tally.images += len(samples)
        return list(samples)

    def swapped_labels(self) -> dict[int, int]:
        """Returns label -> label of each pair of ``swap``.

        Raises:
            UserError: One is no class of the model, or the model's classes are not known.
        """
        if not self.swap:
            return {}
        classes = (getattr(self, "dataset_meta", None) or {}).get("classes")
        if classes is None:
            raise UserError(
                "swap: the names of the model's classes are not known: add"
                " custom_hooks = [dict(type='MultiViewHook')] to the config"
            )
        unknown = [name for pair in self.swap for name in pair if name not in classes]
        if unknown:
            raise UserError(
                f"swap: {unknown[0]!r} is no class of the model, which has"
                f" {first_names(classes, 10, repr)}"
            )
        return {classes.index(a): classes.index(b) for a, b in self.swap}

    def _predict_view(
        self, view: str | float, inputs: Tensor, samples: Sequence[DetDataSample]
    ) -> list[DetDataSample]:
        """Predicts the views of a batch's images, which have their own data samples."""
        of_view = [DetDataSample(metainfo=sample.metainfo) for sample in samples]
        if view == FLIP:
            with encoded_masks(self):
                return list(super().predict(mirrored(inputs, of_view), of_view))
        divisor = getattr(self.data_preprocessor, "pad_size_divisor", 1)
        pad_value = getattr(self.data_preprocessor, "pad_value", 0)
        found: list[DetDataSample] = []
        for part in at_once(of_view, float(view)):
            own = of_view[part]
            seen = resized(inputs[part], own, float(view), divisor, pad_value)
            with encoded_masks(self):
                found += super().predict(seen, own)
        return found

    def _detections(self, sample: DetDataSample, names: Sequence[str] | None = None) -> Detections:
        """Returns one image's detections; keeps their RLEs in ``pred_instances``."""
        instances = sample.get("pred_instances", {})
        if "masks" not in instances:
            raise UserError(
                "views: this model predicts no masks, and only masks are compared between views:"
                " test it without views"
            )
        arrays = to_arrays({name: instances[name] for name in names or instances.keys()})
        instances.mask_rles = arrays["masks"]
        return to_detections(arrays, sample.get("img_id"), LABELS)

    def _compare(
        self, instances: InstanceData, detections: Detections, views: Sequence[View]
    ) -> None:
        """Sets the agreement of one image's D detections with its views."""
        self.tally.add_image(detections)
        found = []
        for view in views:
            brought_back = view.brought_back()
            found.append(agreement(detections, brought_back))
            if view.mirrored:
                self.tally.add_mirrored(detections, brought_back)
        compared = with_columns(detections, kinds_of(views), found)
        device = instances.scores.device
        for name in ("agreement_scores", "consensus"):
            # In double precision: rounding would tie scores that differ.
            instances.set_field(torch.from_numpy(getattr(compared, name)).to(device), name)
        instances.view_agreement = [extra[ENTRY] for extra in compared.extras or ()]


@MODELS.register_module(name=MULTI_VIEW)
def multi_view_detector(
    detector: str | type | None = None,
    views: Sequence[str | float] = (),
    swap: Sequence[Sequence[str]] = (),
    **settings: Any,
) -> MultiView:
    """Makes a detector that compares its masks between views of each image when it predicts.

    In a config it takes the place of ``type``; all other settings stay where they are, and so do
    the names of weights::

        model = dict(type="MultiViewDetector", detector="MaskRCNN", views=["flip", 0.8, 1.25])

    Args:
        detector: The ``type`` of an instance segmenter of MMDetection.
        views: ``flip``, the image mirrored left to right, or factors of the image's size.
        swap: Pairs of names of classes that mirroring swaps, such as left and right door.
        settings: The detector's.

    Returns:
        An instance of a subclass of the detector's class.

    Raises:
        SettingError: ``detector`` names no detector, or views or swap are not as above.
    """
    cls = MODELS.get(detector) if isinstance(detector, str) else detector
    if not (isinstance(cls, type) and issubclass(cls, BaseDetector)):
        raise SettingError(
            f"MultiViewDetector: detector={detector!r} is no detector of MMDetection: name the"
            " type of an instance segmenter, such as 'MaskRCNN'"
        )
    made = type(f"MultiView{cls.__name__}", (MultiView, cls), {"__doc__": cls.__doc__})
    built: MultiView = made(views=views, swap=swap, **settings)
    return built


def check_views(views: Any, swap: Any = ()) -> None:
    """Checks the settings of views.

    Raises:
        SettingError: ``views`` are not different ones of ``flip`` and factors > 0 other than 1;
            ``swap`` is given without ``flip``, or is not pairs of names.
    """
    if isinstance(views, str) or not isinstance(views, Sequence) or not views:
        raise SettingError(f"views must be a list such as ['flip', 0.8, 1.25], not {views!r}")
    for view in views:
        number = isinstance(view, int | float) and not isinstance(view, bool)
        if view != FLIP and not (number and 0 < view < float("inf") and view != 1):
            raise SettingError(
                f"views: {view!r} must be {FLIP!r} or a factor of the image's size, > 0 and not 1"
            )
    twice = [view for index, view in enumerate(views) if view in views[:index]]
    if twice:
        raise SettingError(f"views: {twice[0]!r} is given twice")
    pairs = isinstance(swap, Sequence) and not isinstance(swap, str)
    if not pairs or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(n, str) for n in pair)
        for pair in swap
    ):
        raise SettingError(f"swap must be pairs of class names, not {swap!r}")
    if swap and FLIP not in views:
        raise SettingError(f"swap is of classes in mirrored images: add {FLIP!r} to the views")
