"""Checks of a data set's images against its annotations."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset

from msrcnn_mm.coco.annotations import AnnotationFile
from msrcnn_mm.errors import UserError, warn
from msrcnn_mm.runtime.image_files import Header, lost_range, other_name, read_header

from ..config.walk import is_local, loading_step
from .loaded_images import COLOR_TYPES, IN_COLOR, Loader, channels_of, size_of
from .missing_images import present_images

# Opening takes some 0.1 ms on a disk and ten times that on a network; more would hold up COCO.
_OPENED = 2000
_LOADED = 20  # of each kind, or
_PIXELS = 3e8  # together: decoding takes some 10 ns a pixel

_WARNINGS = {
    "pages": "{count} of {opened} images that were opened have several pages or frames, of which "
    "{name} loads the first; the first such file is {path}: save the annotated page of each as a "
    "file of its own if it is another",
    "skipped": "{name} skips {count} of {loaded} images that it was tried on, the first is {path}",
    "dark": "{count} of {loaded} images that were loaded have more than 8 bits and come out nearly "
    "black from {name}: 99.9% of the values are below 64 of 255, the first is {path}: scale the "
    "files to the whole range of 8 bits",
    "white": "{count} of {loaded} images that were loaded have more than 8 bits and come out "
    "clipped to white from {name}, the first is {path}: scale the files to the whole range of 8 "
    "bits, or set imdecode_backend='cv2'",
}


def check_images(
    file: AnnotationFile,
    dataset: CocoDataset,
    pipeline: Any,
    where: str,
    trained: bool,
    channels: range | None = None,
) -> None:
    """Checks that all images exist and are not empty, and that the pipeline can load them.

    The headers of up to 2000 images are read. The first 20 of each kind - format, bits, EXIF
    orientation, several pages - or 300 million pixels of it are loaded by the pipeline's own
    transform, which decides whether an image can be read, its size and its values. The sizes of the
    others follow from their headers and from how the transform treats their kind; those of formats
    that Pillow does not know are not checked.

    Args:
        file: The annotations that name them.
        dataset: The data set; it need not have read its annotations.
        pipeline: The config of its pipeline.
        where: The config's key of the data set.
        trained: Whether it is trained on, so that images may be skipped.
        channels: The numbers of channels that the model takes; None if that is unknown.

    Raises:
        UserError: An image is missing or cannot be read, or has another size than annotated or
            another number of channels than the model takes.
    """
    step = loading_step(pipeline)
    folder = dataset.data_prefix.get("img", "")
    if not is_local(folder, step and step.get("backend_args")):
        warn(f"{where}: the images are not on this machine's disk, so they are not checked")
        return
    if folder and not Path(folder).is_dir():
        raise UserError(f"{where}: no such folder of images: {folder}{other_name(folder)}")
    loader = None if step is None else Loader(step, channels)
    infos = [
        dataset.parse_data_info({"raw_img_info": {**image, "img_id": id_}, "raw_ann_info": []})
        for id_, image in file.images.items()
    ]
    present = present_images(
        infos, file.path, where, trained and loader is not None and loader.skips
    )
    if loader is None:
        warn(f"{where}: no transform of its pipeline loads images, so they are not opened")
        return
    stride = -(-len(present) // _OPENED)
    _LoadedImages(loader, file.path, where, trained).check(present[::stride])


class _LoadedImages:
    """Checks images by what the pipeline's transform loads.

    Args:
        loader: The transform.
        annotations: The annotation file, for messages.
        where: The config's key of the data set.
        trained: Whether images may be skipped.
    """

    def __init__(self, loader: Loader, annotations: str, where: str, trained: bool) -> None:
        self._loader = loader
        self._annotations = annotations
        self._where = where
        self._trained = trained
        self._loaded: Counter[Any] = Counter()
        self._pixels: Counter[Any] = Counter()
        self._turned: dict[Any, set[bool | None]] = defaultdict(set)
        self._found: dict[str, list[Any]] = defaultdict(list)
        self._channels: dict[int, Any] = {}

    def check(self, infos: Sequence[Mapping[str, Any]]) -> None:
        """Checks images, and warns of those that are loaded but not as they are meant.

        Args:
            infos: The data set's entries of the images.

        Raises:
            UserError: The transform cannot load one, or in another size than annotated, or with
                another number of channels than the model takes.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, by loaders that decode with it
            for info in infos:
                self._check_one(info)
        self._conclude(len(infos))

    def _check_one(self, info: Mapping[str, Any]) -> None:
        path = info["img_path"]
        header = read_header(path)
        kind = header and header.kind
        if header is not None and header.pages and self._loader.reads_one_page:
            self._found["pages"].append(path)
        annotated = (info["width"], info["height"])
        known = header is None or header.is_square or bool(self._turned[kind])
        enough = self._loaded[kind] >= _LOADED or self._pixels[kind] >= _PIXELS
        if known and enough and self._expected(header) in (None, annotated):
            return
        self._loaded[kind] += 1
        try:
            pixels = self._loader.load(info)
        except UserError as error:
            raise UserError(f"{self._where}: {error}") from error
        if pixels is None and self._trained:
            self._found["skipped"].append(path)
            return
        if pixels is None:
            raise UserError(
                f"{self._where}: the image {path} cannot be read by {self._loader.name}, and only "
                "a training can skip it: replace the file, or take it out of the annotations"
            )
        size = size_of(pixels)
        self._pixels[kind] += size[0] * size[1]
        if header is not None and not (header.is_square and size == header.size):
            relation = {header.size: False, header.size[::-1]: True}
            self._turned[kind].add(relation.get(size))
        if size != annotated:
            raise UserError(self._misfit(info, size, header))
        channels = channels_of(pixels)
        if self._loader.channels is not None and channels not in self._loader.channels:
            raise UserError(self._other_channels(info, channels, self._loader.channels.start))
        self._channels.setdefault(channels, path)
        if lost := lost_range(pixels, path):
            self._found[lost].append(path)

    def _expected(self, header: Header | None) -> tuple[int, int] | None:
        """Returns the size of which an image will be loaded; None if that is unknown."""
        if header is None:
            return None
        turned = self._turned[header.kind]
        if header.is_square and None not in turned:
            return header.size
        if len(turned) != 1:
            return None
        return {False: header.size, True: header.size[::-1], None: None}[next(iter(turned))]

    def _misfit(self, info: Mapping[str, Any], size: tuple[int, int], header: Header | None) -> str:
        """Returns the message that an image has another size than annotated, with its remedy."""
        annotated = (info["width"], info["height"])
        message = (
            f"{self._where}: the image {info['img_path']} is {size[0]} x {size[1]} pixels, but "
            f"{self._annotations} says {annotated[0]} x {annotated[1]}, so its masks would be off "
            "its objects"
        )
        if size != annotated[::-1] or header is None or header.orientation < 5:
            return f"{message}: put the file that was annotated there, or mend width and height"
        message += (
            f": its EXIF orientation is {header.orientation}, which {self._loader.name} does not "
            "follow as the tool did that it was annotated with: "
        )
        saved = "save the files as they were annotated, without the orientation"
        fitting = self._loader.setting_that_fits(info, COLOR_TYPES)
        return message + (f"set {fitting} there, or {saved}" if fitting else saved)

    def _other_channels(self, info: Mapping[str, Any], loaded: int, needed: int) -> str:
        """Returns the message that the model does not take an image's channels, with a remedy."""
        fitting = self._loader.setting_that_fits(info, IN_COLOR)
        remedy = f"set {fitting} there" if fitting else "save it as PNG or JPEG of 8 bits, in color"
        return (
            f"{self._where}: {self._loader.name} gives the image {info['img_path']} {loaded} "
            f"channel{'s' * (loaded > 1)}, but the model takes {needed} (its data_preprocessor): "
            f"{remedy}"
        )

    def _conclude(self, opened: int) -> None:
        """Warns of the images found."""
        name, loaded = self._loader.name, sum(self._loaded.values())
        for what, paths in self._found.items():
            warn(
                f"{self._where}: "
                + _WARNINGS[what].format(
                    count=len(paths), opened=opened, loaded=loaded, name=name, path=paths[0]
                )
            )
        if len(self._channels) > 1:
            examples = ", ".join(f"{count} as in {path}" for count, path in self._channels.items())
            warn(
                f"{self._where}: {name} loads images with different numbers of channels, "
                f"{examples}: a batch needs the same, which color_type='color' gives"
            )
