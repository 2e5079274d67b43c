"""Trains a scorer on the detections of a host that stays as it is.

Shape shorthand: N images of a batch, D detections of an image, G ground-truth instances, S side of
the features, M side of the mask patches.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.utils import ConfigType
from mmengine.dist import is_main_process
from mmengine.structures import InstanceData
from torch import Tensor, nn

from msrcnn_mm.errors import CheckpointError, SettingError, warn

from ..scorers.seen_detections import SeenDetections
from ..targets.detection_ious import detection_ious
from ..targets.tp_shares import tp_shares
from .frozen_host_parts import check_fit, checked_settings, load_host, mask_heads, named_host
from .host_cache import OF_TRAINING, HostCache, fingerprint, image_key, settings_text
from .scorer_inputs import ScorerInputs, build_scorer

_IMAGES_TO_SEE = 100  # training images until one must have had a detection


@MODELS.register_module()
class FrozenHost(BaseDetector):
    """Wraps a trained instance segmenter and trains a scorer on its own detections.

    The host predicts as at test, in training too: its weights do not change, and its results are
    those that it gives alone, to the last bit. The scorer learns the TP share of each detection,
    false alarms and duplicates included, and adds its scores to the results: ``TPShareHead`` adds
    ``rescored_scores``, the others ``mask_ious`` and ``mask_scores``.

    The training pipeline must be the test pipeline with the annotations loaded after the image is
    resized, so that instances have the original image's size: ``configs/frozen_host`` has it.

    Checkpoints hold the scorer and the host's fingerprint, on which ``host.test_cfg`` has no
    influence: a test may have another threshold than the training. The host's weights always come
    from ``checkpoint``.

    Args:
        host: config of the host, any instance segmenter of MMDetection; or the name of one of
            MMDetection's configs, as ``mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py``.
        checkpoint: the host's weights, a file or an address. By default, with the name of a config,
            those of MMDetection's zoo.
        scorer: config of the scorer: ``TPShareHead``, ``MaskIoUHead`` or ``FastMaskIoUHead``.
        featmap_strides: pixels per cell of the feature maps that a ``MaskIoUHead`` reads, in the
            order of the host's; maps of other strides are not read. A map's stride is the longer
            side of the padded image over the longer side of the map, rounded to an integer: at 550
            pixels YOLACT's maps of 69, 35 and 18 cells have strides 8, 16 and 31.
        cache_dir: folder for what the scorer sees of each training image. By default nothing is
            kept, and the host predicts each image in each epoch.
        test_cfg: ``rescorer`` names a re-scorer's file. Settings of the host are those of
            ``host.test_cfg``.
        data_preprocessor: by default the host's.
        init_cfg: not used.

    Raises:
        SettingError: the host gives no masks at test; the scorer cannot score a frozen host, has
            other classes or channels, or a setting that has no effect; or the cache is another
            host's, or of another format.
        CheckpointError: the host's weights are missing, do not fit it or are not finite.
    """

    def __init__(
        self,
        host: ConfigType | str,
        scorer: ConfigType,
        checkpoint: str | None = None,
        featmap_strides: Sequence[int] = (4, 8, 16, 32),
        cache_dir: str | None = None,
        test_cfg: ConfigType | None = None,
        data_preprocessor: ConfigType | None = None,
        init_cfg: ConfigType | None = None,
    ) -> None:
        if isinstance(host, str):
            host, checkpoint = named_host(host, checkpoint)
        preprocessor = data_preprocessor or host.get("data_preprocessor") or {}
        checkpoint = checked_settings(checkpoint, cache_dir, test_cfg, preprocessor)
        # instances keep their images' size, and images stay as the host is tested on them
        super().__init__(
            data_preprocessor={**preprocessor, "pad_mask": False, "batch_augments": None},
            init_cfg=init_cfg,
        )
        self.test_cfg = dict(test_cfg or {})
        self.scorer = build_scorer("FrozenHost", scorer)
        self.host = MODELS.build(host)
        heads = mask_heads(self.host, host["type"])
        check_fit(self.scorer, self.host)
        for head in heads:
            head.patch_side = self.scorer.patch_side
        self.host_checkpoint, self.host_meta = checkpoint, load_host(self.host, checkpoint)
        self.host.requires_grad_(False)
        self.host.eval()
        self.host_fingerprint: Tensor
        self.register_buffer("host_fingerprint", fingerprint(self.host, host, preprocessor))
        self.inputs = ScorerInputs("FrozenHost", self.scorer, featmap_strides)
        self.cache_dir = cache_dir
        self._cache: HostCache | None = None
        self._host_settings = settings_text(host, OF_TRAINING)
        self._images_without: int | None = 0  # any detection; None once one had some
        self.register_state_dict_post_hook(_drop_host)

    @property
    def with_mask(self) -> bool:
        """Whether results have masks; MMDetection asks a model for it."""
        return True

    def train(self, mode: bool = True) -> "FrozenHost":
        """Sets the mode of the scorer; the host stays in that of a test.

        Raises:
            SettingError: A training begins, and the cache is another host's.
        """
        super().train(mode)
        self.host.eval()
        if mode:
            self._open_cache()
        return self

    def _open_cache(self) -> HostCache | None:
        """Returns the cache, if there is one; a test needs none."""
        if self._cache is None and self.cache_dir is not None:
            self._cache = HostCache(self.cache_dir, self.host_fingerprint)
        return self._cache

    def init_weights(self) -> None:
        """Initialises the scorer; the host has its weights."""
        self.scorer.init_weights()

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Computes the scorer's loss.

        Args:
            batch_inputs: (N, 3, height, width) images as the host's test has them.
            batch_data_samples: their ground truth, with ``masks`` of the original images' size.

        Returns:
            ``loss_tp_share``, a scalar.
        """
        images = zip(batch_inputs, batch_data_samples, strict=True)
        seen, shares = zip(*(self._learned(*_alone(*image)) for image in images), strict=True)
        self._count_images(seen)
        return self.scorer.quality_loss(SeenDetections.concatenate(seen), torch.cat(shares))

    def _count_images(self, seen: Sequence[SeenDetections]) -> None:
        """Warns once of a host that finds nothing in the training's first images."""
        if self._images_without is None:
            return
        found = any(len(of_image.scores) for of_image in seen)
        self._images_without = None if found else self._images_without + len(seen)
        if self._images_without is not None and self._images_without >= _IMAGES_TO_SEE:
            if is_main_process():
                warn(
                    f"FrozenHost: the host finds nothing in {self._images_without} training images,"
                    " and the scorer learns nothing from them: look at model.host.test_cfg and"
                    " model.checkpoint"
                )
            self._images_without = None

    def _learned(self, image: Tensor, sample: DetDataSample) -> tuple[SeenDetections, Tensor]:
        """Returns what the scorer sees of a (1, 3, height, width) image, and the (D,) targets."""
        cache = self._open_cache()
        key = image_key(image, sample, self._seen_form) if cache else ""
        found = cache.read(key) if cache else None
        if found is None:
            with torch.autocast(image.device.type, enabled=False):  # as at test
                (seen,), (results,) = self._see(image, [sample])
            ious, crowds = detection_ious(results, sample)
            found = seen, tp_shares(ious, results.scores.cpu(), crowds)
            if cache:  # the first epoch's numbers are rounded as those of the others
                found = cache.write(key, *found)
        return found[0].to(image.device), found[1].to(image.device)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        """Predicts as the host does, and adds the scorer's scores.

        Args:
            batch_inputs: (N, 3, height, width).
            batch_data_samples: meta information of the images.
            rescale: must be true: boxes and masks are of the original images' size.

        Returns:
            The data samples with ``pred_instances``.
        """
        if not rescale:
            raise SettingError("FrozenHost: results have the original image's size: rescale=True")
        for seen, results in zip(*self._see(batch_inputs, batch_data_samples), strict=True):
            self.scorer.add_scores(results, self.scorer.quality(seen))
        return batch_data_samples

    def extract_feat(self, batch_inputs: Tensor) -> Any:
        """Returns the host's feature maps."""
        return self.host.extract_feat(batch_inputs)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> Any:
        return self.host._forward(batch_inputs, batch_data_samples)

    @property
    def _seen_form(self) -> tuple[Any, ...]:
        """Returns the sizes of what the scorer sees and the host's settings, for cache keys."""
        own = (self.scorer.patch_side, self.scorer.roi_feat_size, self.inputs.featmap_strides)
        return (*own, self._host_settings)

    @torch.no_grad()
    def _see(
        self, inputs: Tensor, samples: SampleList
    ) -> tuple[list[SeenDetections], list[InstanceData]]:
        """Has the host predict, and returns what the scorer sees of each image and its results."""
        maps: list[Tensor] = []
        source = self.host.neck if self.host.with_neck else self.host.backbone
        handle = source.register_forward_hook(lambda _, __, output: maps.extend(output))
        # attention of torch rounds otherwise where no weight asks for a gradient
        self.host.requires_grad_(True)
        try:
            self.host.predict(inputs, samples, rescale=True)
        finally:
            handle.remove()
            self.host.requires_grad_(False)
        results = [sample.pred_instances for sample in samples]
        metas = [sample.metainfo for sample in samples]
        seen = self.inputs(maps, results, metas, max(inputs.shape[-2:]), rescaled=True)
        return seen, results

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Checks that the scorer is this host's; keeps the host's weights.

        Raises:
            CheckpointError: the scorer was trained on another host.
        """
        loaded = state_dict.get(prefix + "host_fingerprint")
        own = self.host_fingerprint
        if (
            loaded is not None
            and not (loaded.is_meta or own.is_meta)
            and not torch.equal(loaded.cpu(), own.cpu())
        ):
            raise CheckpointError(
                "this scorer was trained on another host: give model.checkpoint the weights, and"
                " model.host and model.data_preprocessor the settings, that it was trained with"
            )
        for name, value in self.host.state_dict().items():
            state_dict[f"{prefix}host.{name}"] = value
        super()._load_from_state_dict(state_dict, prefix, *args)


def _alone(image: Tensor, sample: DetDataSample) -> tuple[Tensor, DetDataSample]:
    """Removes the padding of a (3, height, width) image to the size of others in its batch.

    The host then predicts the same in every batch, and as in a test of one image at a time.
    """
    height, width = sample.get("pad_shape", image.shape[-2:])[:2]
    sample.set_metainfo({"batch_input_shape": (height, width)})
    return image[None, :, :height, :width].contiguous(), sample


def _drop_host(module: nn.Module, state_dict: dict[str, Any], prefix: str, _: Any) -> None:
    """Leaves the host's weights out of a checkpoint."""
    for name in [n for n in state_dict if n.startswith(f"{prefix}host.")]:
        del state_dict[name]
