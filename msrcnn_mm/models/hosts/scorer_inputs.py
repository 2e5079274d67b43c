"""Makes what a scorer sees of a host's detections.

Shape shorthand: N images of a batch, D detections of an image, S side of the features, M side of
the mask patches.
"""

from collections.abc import Sequence
from inspect import signature

import torch
from mmdet.registry import MODELS
from mmdet.structures.bbox import bbox2roi
from mmdet.utils import ConfigType
from mmengine.structures import InstanceData
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError

from ..scorers.mask_scorer import MaskScorer
from ..scorers.seen_detections import SeenDetections, geometry
from .roi_extractors import SingleRoIExtractor


def build_scorer(owner: str, scorer: ConfigType) -> MaskScorer:
    """Builds a scorer of a host's own detections.

    Args:
        owner: class of the host, for messages.
        scorer: config of the scorer.

    Raises:
        SettingError: it cannot score them, or a setting without effect differs from its default.
    """
    kind = scorer.get("type") if isinstance(scorer, dict) else None
    cls = MODELS.get(kind) if isinstance(kind, str) else kind
    if cls is None:
        raise SettingError(
            f"{owner}: scorer={kind or scorer!r} is no scorer: take TPShareHead, MaskIoUHead or"
            " FastMaskIoUHead"
        )
    if (
        not isinstance(cls, type)
        or not issubclass(cls, MaskScorer)
        or cls.quality is MaskScorer.quality
    ):
        raise SettingError(
            f"{owner}: scorer={kind!r} cannot score a host's detections: take TPShareHead,"
            " MaskIoUHead or FastMaskIoUHead"
        )
    with torch.random.fork_rng(devices=[]):  # the host gets the weights that it has without one
        built: MaskScorer = MODELS.build(scorer)
    parameters = signature(cls).parameters
    for name in built.unused_by_quality:
        value = getattr(built, name)
        if name in parameters and value != parameters[name].default:
            raise SettingError(f"{owner}: scorer.{name}={value!r} has no effect: leave it out")
    if getattr(built, "mask_input", None) == "all_concat":
        raise SettingError(
            f"{owner}: scorer.mask_input='all_concat' needs the masks of all classes, and a"
            " detection has that of one: take 'target_concat' or 'target_multiply'"
        )
    return built


class ScorerInputs(nn.Module):
    """Makes the :class:`.SeenDetections` of each image of a batch.

    Args:
        owner: class of the host, for messages.
        scorer: the scorer that reads them.
        featmap_strides: pixels per cell of the feature maps that it reads.

    Raises:
        SettingError: the scorer reads maps, and ``featmap_strides`` is no list of integers >= 1.
    """

    def __init__(self, owner: str, scorer: MaskScorer, featmap_strides: Sequence[int]) -> None:
        super().__init__()
        self.owner = owner
        self.patch_side = scorer.patch_side
        self.featmap_strides: tuple[int, ...] = ()
        self.extractor = None
        if scorer.roi_feat_size:
            listed = isinstance(featmap_strides, Sequence) and len(featmap_strides) > 0
            if not listed or not all(isinstance(s, int) and s > 0 for s in featmap_strides):
                raise SettingError(
                    f"{owner}: featmap_strides={featmap_strides!r} must be a list of integers >= 1"
                )
            self.featmap_strides = tuple(featmap_strides)
            self.extractor = SingleRoIExtractor(
                roi_layer=dict(type="RoIAlign", output_size=scorer.roi_feat_size, sampling_ratio=2),
                out_channels=1,  # not read
                featmap_strides=list(featmap_strides),
            )

    def forward(
        self,
        maps: Sequence[Tensor],
        results_list: Sequence[InstanceData],
        metas: Sequence[dict],
        side: int,
        rescaled: bool,
    ) -> list[SeenDetections]:
        """Makes what a scorer sees.

        Args:
            maps: (N, channels, height, width) feature maps of the host.
            results_list: the host's results of each image; ``mask_patches`` and ``mask_boxes`` are
                taken out of them.
            metas: meta information of each image.
            side: longer side of the network's input, padding included.
            rescaled: whether boxes are in pixels of the original images, not of the network's
                input.

        Raises:
            SettingError: the host has no maps of ``featmap_strides``.
        """
        patches, boxes = [], []
        for results, meta in zip(results_list, metas, strict=True):
            none = results.scores.new_zeros(0, 4)  # a head is not asked for the masks of no box
            box = results.pop("mask_boxes", none)
            patches.append(results.pop("mask_patches", box.new_zeros(0, *[self.patch_side] * 2)))
            factors = box.new_tensor(meta["scale_factor"]).repeat(2) if rescaled else 1
            boxes.append(box * factors)
        features = self.features(maps, boxes, side)
        images = zip(features, patches, results_list, boxes, strict=True)
        return [
            SeenDetections(
                features=of_image,
                patches=patch,
                scores=results.scores,
                labels=results.labels,
                geometry=geometry(box, results.scores, results.labels),
            )
            for of_image, patch, results, box in images
        ]

    def features(
        self, maps: Sequence[Tensor], boxes: Sequence[Tensor], side: int
    ) -> Sequence[Tensor]:
        """Pools the maps in the boxes of each image.

        Args:
            maps: (N, channels, height, width) feature maps of the host.
            boxes: (D, 4) of each image, in pixels of the network's input.
            side: longer side of the network's input.

        Returns:
            (D, channels, S, S) of each image; (D, 0, 0, 0) for a scorer that reads none.

        Raises:
            SettingError: the host has no maps of ``featmap_strides``.
        """
        if self.extractor is None:
            return [box.new_zeros(len(box), 0, 0, 0) for box in boxes]
        of_stride: dict[int, Tensor] = {}
        for level in maps:  # the shorter side of a narrow image may be one cell in several
            of_stride.setdefault(round(side / max(level.shape[-2:])), level)
        lacking = [s for s in self.featmap_strides if s not in of_stride]
        if lacking:
            raise SettingError(
                f"{self.owner}: featmap_strides={list(self.featmap_strides)}: the host's feature"
                f" maps have strides {sorted(of_stride)}"
            )
        levels = tuple(of_stride[s] for s in self.featmap_strides)
        self.extractor.out_channels = levels[0].size(1)
        return self.extractor(levels, bbox2roi([*boxes])).split([len(box) for box in boxes])
