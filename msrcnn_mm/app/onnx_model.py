"""Lets the local page predict by an exported detector."""

from pathlib import Path

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.detector import OnnxDetector
from msrcnn_mm.runtime.images import ImageReader

from .model import NOTES, Found


class OnnxModel:
    """An exported detector for :class:`.server.PageServer`.

    Args:
        file: The ONNX file.
        rescorer: File of a re-scorer; None for none.
        score: The score to start with; None for the page's choice.

    Attributes:
        name: The file's name.
        categories: ``id`` and ``name`` of each class.

    Raises:
        UserError: As :class:`OnnxDetector`, or the model lacks the score.
    """

    def __init__(self, file: str, rescorer: str | None = None, score: str | None = None) -> None:
        self._detector = OnnxDetector(file, rescorer)
        self._detector.check_score(score)
        self.name = Path(file).name
        self.categories = self._detector.settings.categories

    def find(self, file: Path, name: str) -> Found:
        """Finds the masks of an image.

        Args:
            file: The image.
            name: Its name in messages.

        Raises:
            UserError: The image cannot be read or predicted.
        """
        image = ImageReader().read(name, str(file))
        if image.pixels is None:
            raise UserError(image.reason.replace(str(file), name))
        rows = self._detector.predict(image.pixels).to_rows()
        return Found(image.pixels[..., ::-1], rows, [NOTES[note] for note in image.notes])
