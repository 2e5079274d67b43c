"""Keeps what a scorer sees of the training images of a frozen host.

The host predicts each image once; later epochs read the files. Numbers are kept as fp16.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import Tensor, nn

from msrcnn_mm.errors import SettingError, UserError
from msrcnn_mm.files import replaced

from ..scorers.seen_detections import SeenDetections

_MANIFEST = "host.json"
_FORMAT = 2  # another number for other files: other fields, or targets computed otherwise
_HALF = ("features", "patches", "geometry")  # kept as fp16
_NOT_OF_IMAGES = (  # settings of a data_preprocessor that change no image
    *("pad_mask", "mask_pad_value", "pad_seg", "seg_pad_value"),
    *("batch_augments", "boxtype2tensor", "non_blocking"),
)
OF_TRAINING = ("train_cfg", "init_cfg", "pretrained")
"""Names of settings of any part of a host that change no prediction."""


class HostCache:
    """A folder with one file for each image.

    Args:
        folder: made where there is none.
        host: (32,) uint8, the host's fingerprint.

    Raises:
        SettingError: The folder holds the detections of another host, or files of another format,
            or cannot be made.
    """

    def __init__(self, folder: str, host: Tensor) -> None:
        self._folder = Path(folder)
        own = {"format": _FORMAT, "host": bytes(host.tolist()).hex()}
        manifest = self._folder / _MANIFEST
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not manifest.exists():  # another process may do the same
                with replaced(manifest, "w", encoding="utf-8") as file:
                    json.dump(own, file)
            found = _read_manifest(manifest)
        except OSError as error:
            raise SettingError(
                f"FrozenHost: cache_dir={folder!r}: {error.strerror}: name a folder that can be"
                " written"
            ) from error
        if found != own:
            same = found.get("format") == _FORMAT
            what = "the detections of another host" if same else "files of another format"
            raise SettingError(
                f"FrozenHost: cache_dir={folder!r} holds {what}: name another folder, or delete"
                " this one"
            )

    def read(self, key: str) -> tuple[SeenDetections, Tensor] | None:
        """Returns what was seen of an image and the (D,) targets; None where it is not kept."""
        try:
            # numpy leaves a file that it opened and cannot read open
            with self._path(key).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return _rounded({name: kept[name] for name in kept.files})
        except (OSError, ValueError, EOFError, BadZipFile):  # none, or cut off by a full disk
            return None

    def write(
        self, key: str, seen: SeenDetections, targets: Tensor
    ) -> tuple[SeenDetections, Tensor]:
        """Keeps what was seen of an image and the (D,) targets, and returns both as rounded.

        Raises:
            UserError: The file cannot be written.
        """
        values = {f.name: getattr(seen, f.name).cpu().numpy() for f in fields(seen)}
        for name in _HALF:
            values[name] = values[name].astype(np.float16)
        values["targets"] = targets.cpu().numpy()
        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            with replaced(path, "wb") as file:
                np.savez(file, **values)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        return _rounded(values)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.npz"


def _read_manifest(path: Path) -> dict[str, Any]:
    """Returns what a manifest holds; nothing where it is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _rounded(values: dict[str, np.ndarray]) -> tuple[SeenDetections, Tensor]:
    """Returns what a file keeps, its fp16 as float32."""
    tensors = {name: torch.from_numpy(value) for name, value in values.items()}
    for name in _HALF:
        tensors[name] = tensors[name].float()
    targets = tensors.pop("targets")
    return SeenDetections(**tensors), targets


def fingerprint(host: nn.Module, config: dict, preprocessor: dict) -> Tensor:
    """Returns the (32,) uint8 hash of a host's settings and weights.

    Settings of its training and its test have no influence, nor has where its weights began.

    Args:
        host: The model.
        config: Its settings.
        preprocessor: Settings of the ``data_preprocessor``. Where it makes other images than the
            host's own, the hash depends on it.
    """
    own, used = (
        {name: value for name, value in settings.items() if name not in _NOT_OF_IMAGES}
        for settings in (config.get("data_preprocessor") or {}, preprocessor)
    )
    if used != own:
        config = {**config, "data_preprocessor": used}
    text = settings_text(config, (*OF_TRAINING, "test_cfg"))
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(host.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def settings_text(settings: Any, left_out: Sequence[str]) -> str:
    """Returns settings as text that is equal in every process.

    Args:
        settings: A config or a part of it.
        left_out: Names of settings that are left out of every part.
    """

    def kept(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: kept(value) for name, value in part.items() if name not in left_out}
        if isinstance(part, list | tuple):
            return [kept(value) for value in part]
        return part

    return json.dumps(kept(settings), sort_keys=True, default=_name)


def _name(value: Any) -> str:
    """Returns the name of a class or a function, and other values as text."""
    named = hasattr(value, "__qualname__")
    return f"{value.__module__}.{value.__qualname__}" if named else str(value)


def image_key(image: Tensor, sample: DetDataSample, form: tuple[Any, ...]) -> str:
    """Returns the hash of all on which the kept numbers of an image depend, besides the host.

    These are the image's file, its pixels (one of 64, so that other settings of the pipeline are
    noticed) and sizes, its annotations, and ``form``: the sizes of what the scorer sees, and the
    host's settings.

    Args:
        image: (1, 3, height, width), as the host gets it.
        sample: The image's meta information and annotations.
        form: Written as JSON.
    """
    path = Path(str(sample.get("img_path", sample.get("img_id"))))
    meta = [str(path), sample.ori_shape, sample.img_shape, sample.get("scale_factor"), form]
    meta += [image.shape]
    if path.exists():
        state = path.stat()
        meta += [state.st_size, state.st_mtime_ns]
    digest = hashlib.sha256(json.dumps(meta, default=str).encode())
    digest.update(image[..., ::8, ::8].cpu().numpy().tobytes())
    for instances in (sample.gt_instances, sample.get("ignored_instances")):
        digest.update(f"{0 if instances is None else len(instances)} instances".encode())
        if instances is not None and len(instances):
            digest.update(instances.labels.cpu().numpy().tobytes())
            for mask in instances.get("masks", ()):  # rows of pixels, or polygons
                for part in mask:
                    digest.update(np.asarray(part).tobytes())
    return digest.hexdigest()
