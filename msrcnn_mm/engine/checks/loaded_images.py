"""Loads images as a pipeline does, and finds those whose values are lost on the way."""

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import Albu
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from numpy.typing import NDArray

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.image_files import lost_range

from ..config.walk import class_of, loads_images, parts, setting_of

COLOR_TYPES = tuple(dict(color_type=name) for name in ("color", "color_ignore_orientation"))
"""Settings that load images in color, as they are meant to be looked at or as they are stored."""

IN_COLOR = (
    *COLOR_TYPES,
    *(dict(color_type="color", imdecode_backend=name) for name in ("cv2", "pillow")),
)
"""These, and settings that decode images by what mmcv always has."""

_PACKAGES = {"tifffile": "tifffile", "turbojpeg": "PyTurboJPEG"}  # of mmcv's optional backends
_KNOWN = ("mmcv", "mmdet", "msrcnn_mm")  # packages whose transforms keep the number of channels
_SETTINGS = ("color_type", "imdecode_backend")


class Loader:
    """The transform by which a pipeline loads images.

    Args:
        step: Its config.
        channels: The numbers of channels that the model takes; None if that is unknown.

    Attributes:
        name: Its class and what it is told about colour and decoder, for messages.
        channels: As given.
        skips: Whether it skips images that it cannot read, which a training replaces by others.
        reads_one_page: Whether it reads the first page or frame of a file.
    """

    def __init__(self, step: Mapping[str, Any], channels: range | None = None) -> None:
        self._step = step
        self.channels = channels
        self._transform = TRANSFORMS.build(dict(step))
        settings = {name: getattr(self._transform, name, None) for name in _SETTINGS}
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items() if value)
        self._class = type(self._transform).__name__
        self.name = f"{self._class}({given})"
        self.skips: bool = getattr(self._transform, "ignore_empty", False)
        self.reads_one_page = isinstance(self._transform, LoadImageFromFile)

    def load(self, info: Mapping[str, Any]) -> NDArray[Any] | None:
        """Returns an image as the pipeline gets it.

        Args:
            info: The data set's entry of the image, without annotations: ``img_path`` and, where
                its size is annotated, ``width`` and ``height``.

        Returns:
            (H, W) or (H, W, channels); None where the transform skips the image.

        Raises:
            UserError: The transform cannot read the image, or lacks the package that decodes it.
        """
        backend = getattr(self._transform, "imdecode_backend", None)
        if backend in _PACKAGES and find_spec(backend) is None:
            fitting = self.setting_that_fits(info, IN_COLOR)
            saved = "save the images as PNG or JPEG of 8 bits and set imdecode_backend='cv2'"
            raise UserError(
                f"{self.name} needs the package {_PACKAGES[backend]}, which is not installed: "
                f"install it, or {f'set {fitting} there' if fitting else saved}"
            )
        try:
            return self._read(info)
        except MemoryError:
            raise
        except Exception as error:  # a transform may raise anything
            reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
            fitting = self.setting_that_fits(info, IN_COLOR)
            raise UserError(
                f"the image {info['img_path']} cannot be read by {self.name}: {reason}: "
                f"{f'set {fitting} there, ' if fitting else ''}replace the file, or save it as PNG "
                "or JPEG of 8 bits"
            ) from error

    def _read(self, info: Mapping[str, Any]) -> NDArray[Any] | None:
        results = self._transform(dict(info))
        return None if results is None else results["img"]

    def setting_that_fits(
        self, info: Mapping[str, Any], tried: Sequence[Mapping[str, str]]
    ) -> str | None:
        """Returns settings by which an image loads as annotated and with channels for the model.

        Args:
            info: As for :meth:`load`.
            tried: Settings, of which the first that fit are taken.

        Returns:
            The settings as a config has them; None if none fit.
        """
        for settings in tried:
            if not all(hasattr(self._transform, name) for name in settings):
                continue
            try:
                pixels = Loader({**self._step, **settings})._read(info)
            except Exception:  # a transform may raise anything
                continue
            if (
                pixels is not None
                and ("width" not in info or size_of(pixels) == (info["width"], info["height"]))
                and (self.channels is None or channels_of(pixels) in self.channels)
                and lost_range(pixels, info["img_path"]) is None
            ):
                return ", ".join(
                    f"{name}={value!r}"
                    for name, value in settings.items()
                    if getattr(self._transform, name) != value
                )
        return None


def accepted_channels(config: Config, split: str) -> range | None:
    """Returns the numbers of channels that a model takes of the images that a split loads.

    MMDetection's preprocessor wants as many as ``mean`` has values, where these are three. Turning
    BGR into RGB takes the first three of any larger number.

    Args:
        config: The whole config.
        split: ``train``, ``val`` or ``test``.

    Returns:
        The numbers; None if any will do, or a preprocessor or transform is not MMDetection's, which
        may change them.
    """
    preprocessor = config.model.get("data_preprocessor") or config.get("data_preprocessor")
    cls = class_of(preprocessor, MODELS)
    if cls is None or getattr(cls, "forward", None) is not DetDataPreprocessor.forward:
        return None
    for _, part in parts(config[f"{split}_dataloader"]["dataset"], ""):
        step = class_of(part, TRANSFORMS)
        if step is None or loads_images(step):
            continue
        if issubclass(step, Albu) or step.__module__.partition(".")[0] not in _KNOWN:
            return None
    if any(setting_of(preprocessor, name) for name in ("bgr_to_rgb", "rgb_to_bgr")):
        return range(3, sys.maxsize)
    return range(3, 4) if len(setting_of(preprocessor, "mean") or ()) == 3 else None


def channels_of(pixels: NDArray[Any]) -> int:
    """Returns the number of channels of a loaded image."""
    return 1 if pixels.ndim == 2 else pixels.shape[2]


def size_of(pixels: NDArray[Any]) -> tuple[int, int]:
    """Returns width and height of a loaded image."""
    return pixels.shape[1], pixels.shape[0]
