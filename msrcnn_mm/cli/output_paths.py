"""Where results go: what is wrong with a place is said before anything is computed for it."""

import os
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner

from msrcnn_mm.errors import UserError

_READ = ("img_path", "seg_map_path")  # of an image, as data sets have them


def writable_folder(path: str | Path, option: str) -> Path:
    """Makes a folder, and makes sure that a file can be written in it.

    Raises:
        UserError: if not, naming the option that asked for it.
    """
    folder = Path(path).expanduser()
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{option} {path}: a file is in the way; name a folder") from error
    except OSError as error:
        raise UserError(f"{option} {path}: cannot write there: {error.strerror}") from error
    return folder


def refuse_inputs(out: str | Path, option: str, *inputs: str | Path | None) -> None:
    """Makes sure that writing a file does not end one that was read.

    Args:
        out: the file to write.
        option: what named it.
        *inputs: the files that are read; None is none.

    Raises:
        UserError: if it is one of these, naming the option.
    """
    for name in inputs:
        if name is not None and _same_file(out, name):
            raise UserError(f"{option} {out}: is read as well and would be lost; name a new file")


class KeepImagesHook(Hook):
    """Ends a test before MMDetection's hook draws over the images that it reads.

    Args:
        folder: where that hook draws, each picture by the name of its image.
        option: what named it.
    """

    def __init__(self, folder: str | Path, option: str) -> None:
        self.folder, self.option = Path(folder), option

    def before_test(self, runner: Runner) -> None:
        """Compares what will be drawn with what is read.

        Raises:
            UserError: if a file is both, naming the option.
        """
        if not any(self.folder.iterdir()):
            return
        dataset = runner.test_loop.dataloader.dataset
        images = [dataset.get_data_info(index) for index in range(len(dataset))]
        names = {info[key] for info in images for key in _READ if info.get(key)}
        read = {Path(name).expanduser().resolve() for name in names}
        for name in (Path(info["img_path"]).name for info in images if info.get("img_path")):
            if (self.folder / name).resolve() in read:
                raise UserError(
                    f"{self.option} {self.folder}: {name} is read from there and would be lost; "
                    "name a new folder"
                )


def _same_file(one: str | Path, other: str | Path) -> bool:
    try:
        return Path(one).expanduser().samefile(Path(other).expanduser())
    except (OSError, RuntimeError):  # one is no file, or no file's name: an address, say
        return False
