"""Reads a user's images as a config's test pipeline does."""

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.image_files import lost_range, read_header
from msrcnn_mm.runtime.inputs import Image

from ..checks.loaded_images import Loader, channels_of


class PipelineReader:
    """Reads images by a pipeline's loader: a :class:`msrcnn_mm.runtime.inputs.Reader`.

    Args:
        loader: The loader.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def read(self, name: str, file: str) -> Image:
        """Reads an image file; one that cannot be read has no pixels."""
        try:
            pixels = self._loader.load(dict(img_path=file))
        except UserError as error:
            return Image(name, None, str(error))
        if pixels is None:
            return Image(name, None, f"the image {file} cannot be read by {self._loader.name}")
        header = read_header(file)
        pages = header is not None and header.pages and self._loader.reads_one_page
        lost = lost_range(pixels, file)
        notes = ("pages",) if pages else ()
        return self.check(Image(name, pixels, notes=(*notes, lost) if lost else notes))

    def check(self, image: Image) -> Image:
        """Returns a decoded image; without its pixels if the model does not take its channels."""
        assert image.pixels is not None
        channels, taken = channels_of(image.pixels), self._loader.channels
        if taken is None or channels in taken:
            return image
        reason = (
            f"{image.name} has {channels} channels, but the model takes {taken.start}: set"
            " color_type='color' in LoadImageFromFile of the test pipeline"
        )
        return Image(image.name, None, reason)
