"""Checks of training pipelines: masks are loaded, and every step keeps them beside their boxes."""

from collections.abc import Iterator, Mapping
from typing import Any

from mmcv.transforms import CenterCrop, LoadImageFromFile, Pad, Resize
from mmdet.datasets import transforms
from mmdet.models.detectors import YOLACT
from mmdet.models.roi_heads.base_roi_head import BaseRoIHead
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.models.hosts.frozen_host import FrozenHost

from ..config.walk import class_of, inner_datasets, parts, setting_of

LOSES_MASKS = {
    transforms.Mosaic: "CachedMosaic in the data set's own pipeline",
    transforms.MixUp: "CachedMixUp in the data set's own pipeline",
    transforms.RandomAffine: "RandomResize, Rotate, ShearX, ShearY, TranslateX or TranslateY",
    transforms.RandomShift: "TranslateX or TranslateY",
    transforms.RandomCenterCropPad: "RandomCrop",
    CenterCrop: "RandomCrop",
}
"""Transforms that change boxes and leave the masks or fail on them, with what keeps both."""

NEEDS_BITMAPS = (
    transforms.Albu,
    transforms.CopyPaste,
    transforms.Expand,
    transforms.RandomErasing,
    transforms.Rotate,  # turns polygons around the image's corner
)
"""Transforms that fail on polygons, or move them elsewhere than the boxes."""

_OF_A_TEST = (transforms.LoadAnnotations, transforms.PackDetInputs, LoadImageFromFile, Resize, Pad)

Step = tuple[str, Mapping, type]
"""A transform: its key in the config, its settings, its class."""

# settings whose default is a list of further transforms
_DEFAULTS = {transforms.AutoAugment: "policies", transforms.RandAugment: "aug_space"}


def check_pipelines(config: Config) -> None:
    """Checks every pipeline that the training will use, a later one included.

    A step counts as one of the two tables where it has that class's ``transform``. A subclass with
    a ``transform`` of its own is not judged: ``CachedMosaic``, a subclass of ``Mosaic``, keeps
    masks.

    Args:
        config: The whole config.

    Raises:
        UserError: A step loses masks, flips images before their masks are loaded, or needs bitmaps
            or other images that it is not given; the model learns from masks and none are loaded;
            or a frozen host's training has a transform that its test lacks, or another size.
    """
    masks = _part_with_masks(config.model)
    where = "train_dataloader.dataset"
    dataset = config.train_dataloader["dataset"]
    used = [*_pipelines(dataset, where)]
    for path, hook in parts(config.get("custom_hooks"), "custom_hooks"):
        if "switch_pipeline" in hook:
            later = f"{path}.switch_pipeline"
            used.append((later, [*_steps(hook["switch_pipeline"], later)]))
            if "pipeline" not in dataset:
                warn(
                    f"{path} will change nothing: it sets the pipeline of {where}, and a "
                    f"{dataset['type']} has none"
                )
    for pipeline, steps in used:
        _check(pipeline, steps, masks)
    if class_of(config.model, MODELS) is FrozenHost:
        _check_of_frozen_host(used, config)


def _check(where: str, steps: list[Step], masks: str) -> None:
    """Checks one pipeline.

    Args:
        where: Its key in the config.
        steps: Its steps, followed by those of the data sets that mix its images with others.
        masks: The key of the model's part that learns from masks, or nothing.
    """
    loaders = [step for _, step, _ in steps if setting_of(step, "with_mask", TRANSFORMS)]
    if not loaders:
        known = all(cls.__module__.partition(".")[0] in ("mmcv", "mmdet") for _, _, cls in steps)
        if masks and known and steps:  # without steps the data set does it all
            raise UserError(
                f"{where} loads no masks, and {masks} learns from them: "
                "write dict(type='LoadAnnotations', with_bbox=True, with_mask=True) in it"
            )
        return
    polygons = any(setting_of(step, "poly2mask", TRANSFORMS) is False for step in loaders)
    loaded = False
    for path, step, cls in steps:
        named = f"{path} is a {cls.__name__}, which"
        loaded |= any(step is loader for loader in loaders)
        if _transforms_as(cls, transforms.RandomFlip) and not loaded:
            raise UserError(
                f"{named} flips images before their masks are loaded: move it after "
                "LoadAnnotations, or remove it"
            )
        for kind, instead in LOSES_MASKS.items():
            if _transforms_as(cls, kind):
                raise UserError(
                    f"{named} changes images and boxes but not their masks: use {instead}; "
                    "a detector without masks needs no with_mask=True"
                )
        if _transforms_as(cls, transforms.CopyPaste) and path.startswith(where):
            raise UserError(
                f"{named} needs a second image: move it to the pipeline of a "
                "dict(type='MultiImageMixDataset', dataset=..., pipeline=[...])"
            )
        if polygons and any(_transforms_as(cls, kind) for kind in NEEDS_BITMAPS):
            raise UserError(
                f"{named} cannot change polygons: remove poly2mask=False from LoadAnnotations"
            )


def _check_of_frozen_host(used: list[tuple[str, list[Step]]], config: Config) -> None:
    """Checks that the training of a frozen host shows images as its test does.

    It has no kind of transform that the test lacks, and resizes them as the test does.
    """
    kinds: tuple[type, ...] = _OF_A_TEST
    resizes: list[list[Any]] = []  # those of each data set of the test, or of the validation
    for split in ("test", "val"):
        loader = config.get(f"{split}_dataloader")
        if loader is not None:
            where = f"{split}_dataloader.dataset"
            tested = [steps for _, steps in _pipelines(loader["dataset"], where)]
            kinds += tuple(cls for steps in tested for _, _, cls in steps)
            resizes = resizes or [_resizes(steps) for steps in tested]
    for where, steps in used:
        for path, _, cls in steps:
            if not issubclass(cls, kinds):
                raise UserError(
                    f"{path} is a {cls.__name__}, and a frozen host learns from images as they are"
                    " tested: remove it"
                )
        if resizes and _resizes(steps) not in resizes:
            raise UserError(
                f"{where} resizes otherwise than the test, and a frozen host learns from images as"
                " they are tested: give both the same Resize"
            )


def _resizes(steps: list[Step]) -> list[tuple[list[float], bool, bool]]:
    """Returns the sizes of a pipeline's ``Resize`` steps in a form that equal ones share."""
    found = []
    for _, step, cls in steps:
        if issubclass(cls, Resize):
            names = ("width", "height", "scale", "scale_factor", "keep_ratio")
            width, height, scale, factor, keep_ratio = (
                setting_of(step, name, TRANSFORMS) for name in names
            )
            size = (width, height) if width else scale
            by = size or factor
            pair = [*by] if isinstance(by, list | tuple) else [by, by]
            keeps = bool(size and keep_ratio)  # a factor keeps the ratio anyway
            if keeps:  # the size is that of the longer and the shorter side, in either order
                pair.sort()
            found.append((pair, bool(size), keeps))
    return found


def _pipelines(dataset: Mapping, where: str) -> Iterator[tuple[str, list[Step]]]:
    """Yields the key of each pipeline that reads files, and the steps that its images go through.

    Steps of a data set around it, such as a ``MultiImageMixDataset``, follow its own.
    """
    own = [*_steps(dataset.get("pipeline"), f"{where}.pipeline")]
    inner = [*inner_datasets(dataset, where)]
    if not inner:
        yield f"{where}.pipeline", own
    for path, part in inner:
        for pipeline, steps in _pipelines(part, path):
            yield pipeline, steps + own


def _transforms_as(cls: type, kind: type) -> bool:
    """Returns whether a transform does what another does: has its methods, inherited or not."""
    names = ("transform", "_transform_masks")
    return issubclass(cls, kind) and all(
        getattr(cls, name, None) is getattr(kind, name, None) for name in names
    )


def _steps(part: Any, path: str) -> Iterator[Step]:
    """Yields the transforms in a part of a config, each with its path and class.

    Transforms inside others are among them, but not those inside ``Albu``, which are of another
    library.
    """
    if isinstance(part, list | tuple):
        for index, inner in enumerate(part):
            yield from _steps(inner, f"{path}[{index}]")
    elif isinstance(part, Mapping):
        cls = class_of(part, TRANSFORMS)
        if cls is not None:
            yield path, part, cls
            if issubclass(cls, transforms.Albu):
                return
            key = _DEFAULTS.get(cls)
            if key is not None and key not in part:
                yield from _steps(setting_of(part, key, TRANSFORMS), f"{path}.{key}")
        for key, inner in part.items():
            yield from _steps(inner, f"{path}.{key}")


def _part_with_masks(model: Mapping) -> str:
    """Returns the key of the part of a model that learns from masks; nothing where none is known.

    Heads that learn masks from boxes alone, such as BoxInst's, are not known.
    """
    cls = class_of(model, MODELS) or object
    if issubclass(cls, FrozenHost):
        return "model.scorer"
    if issubclass(cls, YOLACT):
        return "model.mask_head"
    head = model.get("roi_head") or {}
    if head.get("mask_head") and issubclass(class_of(head, MODELS) or object, BaseRoIHead):
        return "model.roi_head.mask_head"
    return ""
