"""An inferencer whose predictions keep the scores of masks."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mmcv
import mmengine
import numpy as np
from mmdet.apis import DetInferencer
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import INFERENCERS
from mmengine.visualization import Visualizer
from torch import nn

from msrcnn_mm.coco.detections import SCORE_ENTRIES
from msrcnn_mm.runtime.inputs import names_below_common_folder

from ..checkpoints.fit import check_fit
from .picture_files import (
    image_loader,
    numbered,
    picture_names,
    read_picture,
)
from .rescored_scores import add_rescored_scores, read_named_rescorer


@INFERENCERS.register_module()
class MaskScoringInferencer(DetInferencer):
    """``DetInferencer`` whose predictions keep the scores of masks.

    Beside ``labels``, ``scores``, ``bboxes`` and ``masks`` a prediction has ``mask_ious``,
    ``mask_scores`` and ``foreground_probs``, each a list of D numbers, where the detector predicts
    them; ``agreement_scores`` and ``consensus`` of a ``MultiViewDetector``; and
    ``rescored_scores``, ``expected_ious`` and ``expected_precisions`` where
    ``model.test_cfg.rescorer`` names a file. ``DetInferencer`` itself does neither.

    No input replaces the files of another. Pictures and predictions keep the folders below the
    folder that all inputs of a call share, and predictions of ``a.jpg`` and ``a.png`` keep the
    suffix: ``preds/a.jpg.json``. A name that another input of an earlier call has gets a number.

    Weights that do not fit the model are refused, where ``DetInferencer`` goes on with random ones.
    Classes that the weights do not name are those of the config's test data, not COCO's.

    Args:
        *args: Those of ``DetInferencer``; a config must be given beside the weights.
        **kwargs: Likewise.

    Raises:
        CheckpointError: The weights do not fit the model.
        UserError: The file cannot be read, was fitted with other views than the model's or on
            other classes, or the detector lacks what it needs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings = getattr(self.model, "test_cfg", None) or {}
        classes = (getattr(self.model, "dataset_meta", None) or {}).get("classes")
        views = getattr(self.model, "view_kinds", ())
        self.rescorer = read_named_rescorer(settings, classes, views)
        self._names: dict[str, tuple[str, str]] = {}  # by input: picture, predictions
        self._owners: dict[Path, str | int] = {}  # written file -> input

    def _init_model(self, cfg: Any, weights: str | None, *args: Any, **kwargs: Any) -> nn.Module:
        """Builds the model; keeps the name of its weights for messages."""
        self._weights = weights
        model: nn.Module = super()._init_model(cfg, weights, *args, **kwargs)
        return model

    def _load_weights_to_model(self, model: nn.Module, checkpoint: dict | None, cfg: Any) -> None:
        """Loads weights that fit the model, and the names of its classes."""
        if checkpoint is not None:
            check_fit(model, checkpoint, str(self._weights), "test")
            meta = checkpoint.get("meta") or {}
            if "dataset_meta" not in meta and "CLASSES" not in meta:
                dataset = {**cfg.test_dataloader.dataset, "lazy_init": True}
                classes = DATASETS.build(dataset).metainfo.get("classes")
                checkpoint = {**checkpoint, "meta": {**meta, "CLASSES": classes}}
        super()._load_weights_to_model(model, checkpoint, cfg)

    def _init_visualizer(self, cfg: Any) -> Visualizer | None:
        """Builds the visualizer, which needs no backend: the inferencer itself writes pictures."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Failed to add .*VisBackend", UserWarning)
            return super()._init_visualizer(cfg)

    def _init_collate(self, cfg: Any) -> Callable:
        """Returns the config's function, else mmengine's default without its search and warning."""
        if "collate_fn" not in cfg.test_dataloader:
            return pseudo_collate
        collate: Callable = super()._init_collate(cfg)
        return collate

    def forward(self, inputs: Any, **kwargs: Any) -> list[DetDataSample]:
        """Predicts a batch, and adds rescored scores."""
        samples = super().forward(inputs, **kwargs)
        if self.rescorer is not None:
            for sample in samples:
                add_rescored_scores(sample, self.rescorer)
        return samples

    def visualize(
        self,
        inputs: Sequence[str | np.ndarray],
        preds: Sequence[DetDataSample],
        return_vis: bool = False,
        show: bool = False,
        no_save_vis: bool = False,
        img_out_dir: str = "",
        **kwargs: Any,
    ) -> list[np.ndarray] | None:
        """Draws predictions over their images, read as the pipeline reads them.

        Args:
            inputs: Paths, or (H, W, 3) images.
            preds: A prediction for each.
            return_vis: Whether to return the pictures.
            show: Whether to show them.
            no_save_vis: Whether to write none.
            img_out_dir: Folder in whose ``vis`` they are written; none without.
            kwargs: As for ``DetInferencer.visualize``.

        Returns:
            (H, W, 3) pictures, RGB; None if nothing was to be drawn.
        """
        out_dir = "" if no_save_vis else img_out_dir
        if not (show or out_dir or return_vis):
            return None
        loader = image_loader(self.pipeline)
        pictures = []
        for image, sample in zip(inputs, preds, strict=True):
            if isinstance(image, str):
                name, source = self._names_of(image)[0], image
                pixels = read_picture(dict(img_path=image), loader)
            else:
                name, source = f"{self.num_visualized_imgs:08}.jpg", self.num_visualized_imgs
                pixels = image.copy()
            file = str(self._own(Path(out_dir, "vis", name), source)) if out_dir else None
            self.visualizer.add_datasample(
                name, pixels, sample, draw_gt=False, show=show, out_file=file, **kwargs
            )
            pictures.append(self.visualizer.get_image())
            self.num_visualized_imgs += 1
        return pictures

    def pred2dict(self, data_sample: DetDataSample, pred_out_dir: str = "") -> dict[str, Any]:
        """Converts one image's predictions to a dictionary, and writes it where a folder is given.

        Args:
            data_sample: The predictions.
            pred_out_dir: Folder in whose ``preds`` a JSON file is written; none without.
        """
        result: dict[str, Any] = super().pred2dict(data_sample)
        instances = data_sample.get("pred_instances", {})
        scores = {name: instances[name].tolist() for name in SCORE_ENTRIES if name in instances}
        result.update(scores)
        if pred_out_dir:
            path = data_sample.get("img_path")
            if path is None:
                name, source = str(self.num_predicted_imgs), self.num_predicted_imgs
                self.num_predicted_imgs += 1
            else:
                name, source = self._names_of(path)[1], path
            file = self._own(Path(pred_out_dir, "preds", f"{name}.json"), source)
            if "panoptic_seg" in result:
                segments = str(file.with_suffix("")) + "_panoptic_seg.png"
                mmcv.imwrite(result.pop("panoptic_seg")[:, :, ::-1], segments)
                result["panoptic_seg_path"] = segments
            file.parent.mkdir(parents=True, exist_ok=True)
            mmengine.dump(result, file)
        return result

    def _inputs_to_list(self, inputs: Any) -> list:
        """Lists the inputs of a call, and names their files."""
        found: list = super()._inputs_to_list(inputs)
        paths = list(dict.fromkeys(path for path in found if isinstance(path, str)))
        names = names_below_common_folder(paths)
        stems = [str(Path(name).with_suffix("")) for name in names]
        count = Counter(stems)
        predictions = [
            name if count[stem] > 1 else stem for name, stem in zip(names, stems, strict=True)
        ]
        both = zip(picture_names(paths), predictions, strict=True)
        self._names = dict(zip(paths, both, strict=True))
        return found

    def _names_of(self, path: str) -> tuple[str, str]:
        """Returns the names of an input's picture and predictions."""
        return self._names.get(path) or (Path(path).name, Path(path).stem)

    def _own(self, file: Path, source: str | int) -> Path:
        """Returns the file, with a number in its name if it is another input's."""
        names = numbered(file.name)
        own = file
        while self._owners.setdefault(own.absolute(), source) != source:
            own = file.with_name(next(names))
        return own
