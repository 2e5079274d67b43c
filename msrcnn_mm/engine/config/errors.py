"""What the libraries raise on a mistake in a config or in the data, said in one line."""

import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from msrcnn_mm.errors import UserError

_MISTAKES = re.compile(
    r" is not in the \S+ registry|__init__\(\) (got an unexpected|missing \d+ required)|"
    r"must contain the key \"type\"|is not a callable object|should be an? .* but got|"
    r"^invalid literal for int\(\)|^could not convert string to float"
)

# What ends a training of MMDetection's YOLACT on images of several sizes, by the function that
# raises it. It leaves out the anchors beyond each image's edge: more or fewer, or others.
_OF_SEVERAL_SIZES = {
    "images_to_levels": "equal size",
    "OHEMloss_by_feat_single": "to match target batch_size",
}

_UNKNOWN_ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")


class StartedHook(Hook):
    """Knows whether a run has got through its first step: a mistake in a config shows before.

    Attributes:
        started: Whether it has.
    """

    def __init__(self) -> None:
        self.started = False

    def _after_iter(self, *args: Any, **kwargs: Any) -> None:
        """Mmengine calls it after every iteration of any loop."""
        self.started = True


@contextmanager
def mistakes_of_config(
    name: str, options: Sequence[str], start: StartedHook, work_dir: str
) -> Iterator[None]:
    """Turns what is raised on a mistake in a config or the data into one line.

    Args:
        name: The config, for the message.
        options: Names of the settings that the command line overrides, to blame them.
        start: Whatever ends a run before its first step counts as a mistake; after it, only what
            can come at any time: an image that cannot be decoded, no memory, no space.
        work_dir: Folder for the traceback of one that is not recognised.

    Raises:
        UserError: In the place of such an exception; any other passes.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        # str() of a KeyError is the repr of its message
        text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        text = " ".join(text.split())
        message = _at_any_time(error, text)
        if message is None and start.started:
            raise
        message = message or _before_the_first_step(text)
        if message is None:
            file = Path(work_dir) / "error.txt"
            file.write_text(traceback.format_exc(), encoding="utf-8")
            last = str(error).strip().splitlines()[-1:] or [""]
            message = f"cannot start: {type(error).__name__}: {last[0][:300]} (from where: {file})"
        unknown = _UNKNOWN_ARGUMENT.search(message)
        blamed = [o for o in options if unknown and o.rpartition(".")[2] == unknown[1]]
        by = f" --cfg-options {blamed[0]}:" if blamed else ""
        raise UserError(f"{name}:{by} {message}") from error


def _at_any_time(error: Exception, text: str) -> str | None:
    """What is wrong, if it is something that can end a run at any step; else None."""
    if "failed to load image: " in text:
        image = text.rpartition("failed to load image: ")[2]
        return f"the image {image} cannot be decoded: mend it or take it out of the annotations"
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text:
        return (
            "out of memory: take a smaller batch_size or smaller images, or train with --amp "
            f"({text[:150]})"
        )
    frames = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    if any(frame in frames and said in text for frame, said in _OF_SEVERAL_SIZES.items()):
        return (
            "the images of a batch have different sizes, on which this detector cannot train: give "
            "the Resize of train_pipeline keep_ratio=False, or have a Pad to one size follow it"
        )
    if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
        return f"no space left on the disk of the work folder: {text}"
    return None


def _before_the_first_step(text: str) -> str | None:
    """What is wrong with a config that names a class or a setting that is not there; else None."""
    if text == "None is not a callable object":
        return "a type in the config names no class that its registry has"
    # what mmengine's registry raises on a setting that a class lacks or does not know
    if _MISTAKES.search(text):
        return text.partition(" Please check whether")[0]
    return None
