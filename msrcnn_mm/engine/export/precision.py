"""Makes exported models smaller: weights of 16 bits, or convolutions in integers of 8 bits."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.runtime.images import prepare, read_image
from msrcnn_mm.runtime.model_file import ModelSettings

_LAST = ("rpn_cls", "rpn_reg", "fc_cls", "fc_reg", "conv_logits", "fc_mask_iou")
"""Modules whose outputs are scores, boxes and masks."""

_FEWEST = 1024  # values of a tensor that is worth a conversion


def in_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores the weights in 16 bits; the network computes in 32 bits as before.

    onnxruntime has few operators of 16 bits on CPUs, and boxes need 32: at a coordinate of 1000
    fp16 is half a pixel off.
    """
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _FEWEST:
            continue
        name, stored = tensor.name, f"{tensor.name}_fp16"
        most = np.finfo(np.float16).max
        half = values.clip(-most, most).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], f"{name}_cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def in_int8(
    model: onnx.ModelProto, settings: ModelSettings, images: Sequence[str | Path]
) -> onnx.ModelProto:
    """Has convolutions and fully connected layers compute in integers of 8 bits.

    The layers whose outputs are scores, boxes and masks stay in 32 bits.

    Args:
        model: The model.
        settings: Those of the model.
        images: Images on which the ranges of the values between the layers are measured.
    """
    # torch's exporter has simplified the graph, so onnxruntime need not ask for it
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, source)
        quantize_static(
            source,
            target,
            _Images(images, settings),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_last_layers(model.graph),
        )
        return onnx.load(target)


def usable_images(images: Sequence[str | Path], settings: ModelSettings) -> list[str | Path]:
    """Returns the images that the model takes; warns of each other.

    Args:
        images: Images on which int8 measures ranges.
        settings: Those of the model.

    Raises:
        UserError: It takes none of them.
    """
    usable = []
    for path in images:
        try:
            prepare(read_image(path), settings)
        except UserError as error:
            warn(f"{path} is left out: {error}")
        else:
            usable.append(path)
    if not usable:
        raise UserError(f"none of {len(images)} images can be used to measure ranges of values")
    return usable


class _Images(CalibrationDataReader):
    """Gives the calibration the inputs of one image after the other."""

    def __init__(self, images: Sequence[str | Path], settings: ModelSettings) -> None:
        self._feeds: Iterator[dict[str, Any]] = (
            dict(image=inputs.image, size=inputs.size)
            for inputs in (prepare(read_image(path), settings) for path in images)
        )

    def get_next(self) -> dict[str, Any] | None:
        """Returns the inputs of the next image; None behind the last."""
        return next(self._feeds, None)


def _last_layers(graph: onnx.GraphProto) -> list[str]:
    """Returns the names of the nodes that compute scores, boxes and masks."""
    return [
        node.name
        for node in graph.node
        if any(f".{last}." in name for last in _LAST for name in node.input)
    ]
