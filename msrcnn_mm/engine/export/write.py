"""Writes a detector as an ONNX file with all that its runtime needs."""

import hashlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from traceback import walk_tb
from typing import Any

import onnx
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.model_file import METADATA, ModelSettings

from ..adapters.inferencer import MaskScoringInferencer
from ..checks.model import check_heads, check_thresholds
from ..config.errors import StartedHook, config_mistakes_as_user_errors
from ..predict.predictor import categories_of
from .network import DetectorNetwork
from .operators import TRANSLATIONS
from .precision import in_fp16, in_int8, usable_images
from .supported import check_supported, resizing_of

OPSET = 18
"""Version of ONNX's operators: 16 brought RoiAlign with the shift by half a pixel."""

_SIDE = 384  # pixels of the example's sides, rounded up; any size that no layer makes 1 will do


def export(
    config: Config,
    name: str,
    options: Sequence[str],
    checkpoint: str,
    out: Path,
    precision: str = "fp32",
    images: Sequence[str | Path] = (),
) -> ModelSettings:
    """Exports a detector.

    Args:
        config: The whole config.
        name: Its name, for messages.
        options: Names of the settings that the command line overrides.
        checkpoint: File or address of the weights.
        out: The ONNX file.
        precision: ``fp32``, ``fp16`` or ``int8``.
        images: Images on which int8 measures the ranges of values.

    Returns:
        The settings in the file's metadata.

    Raises:
        UserError: The config or the checkpoint has a mistake, the detector is none that can be
            exported, or the file cannot be written.
    """
    print(f"load {checkpoint}", flush=True)
    with config_mistakes_as_user_errors(name, options, StartedHook()):
        init_default_scope(config.get("default_scope") or "mmdet")
        check_thresholds(config.model)
        resizing = resizing_of(config)
        detector = MaskScoringInferencer(
            config, checkpoint, device="cpu", show_progress=False
        ).model
        classes = detector.dataset_meta["classes"]
        check_heads(config.model, classes)
        check_supported(detector)
    preprocessor = detector.data_preprocessor
    normalises = preprocessor._enable_normalize
    settings = ModelSettings(
        detector=type(detector).__name__,
        checkpoint=_file_hash(checkpoint),
        precision="fp32",
        categories=categories_of(config, classes),
        resizing=resizing,
        mean=preprocessor.mean.flatten().tolist() if normalises else [0.0],
        std=preprocessor.std.flatten().tolist() if normalises else [1.0],
        to_rgb=preprocessor._channel_conversion,
        divisor=preprocessor.pad_size_divisor,
        padding=float(preprocessor.pad_value),
        mask_threshold=float(detector.roi_head.test_cfg["mask_thr_binary"]),
        score_threshold=float(detector.test_cfg.rcnn.score_thr),
        most=int(detector.test_cfg.rcnn.max_per_img),
    )
    images = usable_images(images, settings) if precision == "int8" else ()
    print("translate the network into ONNX, which takes a minute or two", flush=True)
    model = to_onnx(detector, settings.divisor)
    if precision == "fp16":
        model = in_fp16(model)
    elif precision == "int8":
        print(f"measure ranges of values on {len(images)} images for int8", flush=True)
        model = in_int8(model, settings, images)
    settings = replace(settings, precision=precision)
    write_model(with_settings(model, settings), out)
    return settings


def to_onnx(detector: nn.Module, divisor: int) -> onnx.ModelProto:
    """Returns the ONNX model of a detector's test.

    Args:
        detector: One that :func:`.check_supported` allows.
        divisor: Height and width of the images are multiples of it.

    Raises:
        UserError: A layer of the detector is nothing that ONNX has, or fixes the image's size.
    """
    heads = detector.roi_head
    assert isinstance(heads, nn.Module)
    _replace_norms(heads)
    network = DetectorNetwork(detector)
    height = -(-_SIDE // divisor) * divisor
    width = height + -(-32 // divisor) * divisor
    example = (torch.zeros(1, 3, height, width), torch.tensor([height, width], dtype=torch.float32))
    sides = {2: divisor * torch.export.Dim("rows"), 3: divisor * torch.export.Dim("columns")}
    names = ["boxes", "labels", "class_scores", "foreground_probs", "masks"]
    if hasattr(detector.roi_head, "mask_iou_head"):
        names[3:3] = ["mask_ious", "mask_scores"]
    model = translated(network, example, ["image", "size"], names, (sides, None))
    if not all(side.dim_param for side in model.graph.input[0].type.tensor_type.shape.dim[2:]):
        raise UserError(
            f"the detector takes images of one size alone with pad_size_divisor={divisor}: set"
            " --cfg-options model.data_preprocessor.pad_size_divisor=32"
        )
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_param = "detections"
    return model


def translated(
    network: nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: tuple[Any, ...],
) -> onnx.ModelProto:
    """Returns a network as an ONNX model, without torch's messages.

    Args:
        network: The network.
        example: Its inputs.
        inputs: Their names.
        outputs: Names of the outputs.
        shapes: What is dynamic of each input, as ``torch.export`` takes it.

    Raises:
        UserError: A module of the network cannot be exported.
    """
    names = {id(module): name for name, module in network.named_modules() if name}
    with torch.no_grad(), _quiet():
        try:
            program = torch.onnx.export(
                *(network, example),
                input_names=inputs,
                output_names=outputs,
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=shapes,
                custom_translation_table=TRANSLATIONS,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            cause = error.__cause__ or error
            callers = [frame.f_locals.get("self") for frame, _ in walk_tb(cause.__traceback__)]
            blamed = [names[id(caller)] for caller in callers if id(caller) in names]
            reason = next((line for line in str(cause).splitlines() if line), type(cause).__name__)
            raise UserError(
                f"{blamed[-1] if blamed else 'the detector'} cannot be exported: {reason[:200]}"
            ) from error
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Drops warnings of torch about its own code, and the graph that a failing export prints."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def with_settings(model: onnx.ModelProto, settings: ModelSettings) -> onnx.ModelProto:
    """Returns the model with these settings in its metadata."""
    onnx.helper.set_model_props(model, {METADATA: settings.to_text()})
    return model


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Writes a model in one step.

    Raises:
        UserError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            partial = Path(folder) / path.name
            partial.write_bytes(model.SerializeToString())
            partial.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def _file_hash(checkpoint: str) -> str:
    """Returns the SHA-256 of a file; of an address itself."""
    if "://" in checkpoint:
        return hashlib.sha256(checkpoint.encode()).hexdigest()
    with Path(checkpoint).expanduser().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Affine(nn.Module):
    """Computes a batch normalisation by its running statistics, of any number of boxes.

    ``torch.export`` refuses ``batch_norm`` where the number may be 0.

    Args:
        norm: The batch normalisation.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        assert norm.running_mean is not None and norm.running_var is not None
        scale = (norm.running_var + norm.eps).rsqrt()
        if norm.affine:
            scale = scale * norm.weight.detach()
        shift = -norm.running_mean * scale
        if norm.affine:
            shift = shift + norm.bias.detach()
        self.scale: torch.Tensor
        self.shift: torch.Tensor
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scales and shifts (N, channels, height, width)."""
        return x * self.scale + self.shift


def _replace_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(module, name, _Affine(child))
        else:
            _replace_norms(child)
