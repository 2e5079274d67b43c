"""The settings of an exported detector, which are in its ONNX file, and the opening of the file."""

import json
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from msrcnn_mm.errors import UserError

FORMAT = "msrcnn_mm detector 1"
METADATA = "msrcnn_mm"
"""Key of the file's metadata that holds the settings as JSON."""


@dataclass(frozen=True)
class Resizing:
    """How images are resized, as MMDetection's ``Resize``.

    Attributes:
        scale: Greatest width and height in pixels, in any order if the ratio is kept; None if there
            is a factor.
        factor: Factors of width and height.
        keep_ratio: Whether both sides get the same factor.
    """

    scale: list[int] | None
    factor: list[float] | None
    keep_ratio: bool


@dataclass(frozen=True)
class ModelSettings:
    """All that is needed beside the network to get detections of an image.

    Attributes:
        detector: Class of the detector, such as ``MaskScoringRCNN``.
        checkpoint: SHA-256 of its checkpoint file.
        precision: ``fp32``, ``fp16`` or ``int8``.
        categories: ``id`` and ``name`` of each label.
        resizing: How images are resized.
        mean: Of the channels, in the order of the network, in [0, 255].
        std: Standard deviation of the channels, likewise.
        to_rgb: Whether the network's channels are red, green, blue; else blue, green, red.
        divisor: Height and width of the padded image are multiples of it.
        padding: Value of the padding behind mean and deviation.
        mask_threshold: Probability from which a pixel belongs to the mask.
        score_threshold: Class score above which there are detections.
        most: Greatest number of detections of an image.
    """

    detector: str
    checkpoint: str
    precision: str
    categories: list[dict[str, Any]]
    resizing: Resizing
    mean: list[float]
    std: list[float]
    to_rgb: bool
    divisor: int
    padding: float
    mask_threshold: float
    score_threshold: float
    most: int

    @property
    def classes(self) -> list[str]:
        """Names of the labels."""
        return [category["name"] for category in self.categories]

    def to_text(self) -> str:
        """Returns the settings as the JSON of the metadata."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_text(cls, text: str) -> "ModelSettings":
        """Reads the JSON of the metadata.

        Raises:
            ValueError: It is damaged or of another version.
        """
        content = json.loads(text)
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        return cls(**{**content, "resizing": Resizing(**content["resizing"])})


def require(module: str) -> Any:
    """Imports a package that the runtime needs beside those of the light half.

    Raises:
        UserError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f'an exported model needs {module}: pip install "msrcnn_mm[onnx]"'
        ) from error


def open_model(path: Path, threads: int | None = None) -> tuple[Any, ModelSettings]:
    """Opens an exported detector.

    Args:
        path: The ONNX file.
        threads: Number of threads that compute; None for as many as there are cores.

    Returns:
        The ``onnxruntime.InferenceSession`` and the settings.

    Raises:
        UserError: The file cannot be read, is no ONNX model or was not written by the command
            ``export``, or onnxruntime is not installed.
    """
    onnxruntime = require("onnxruntime")
    if not path.is_file():
        raise UserError(f"{path}: no such model file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # warnings are about the optimisation of the graph
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a class of its own for each failure
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: cannot be opened as an ONNX model: {reason}: export it anew"
        ) from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    if text is None:
        raise UserError(
            f"{path}: is an ONNX model of another tool: make one by python -m msrcnn_mm export"
        )
    try:
        return session, ModelSettings.from_text(text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path}: its metadata are not those of this version ({FORMAT!r}): export it anew"
        ) from error
