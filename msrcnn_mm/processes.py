"""Computes something of each item in as many processes as there are cores; shows progress."""

import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from tqdm import tqdm

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_DELAY = 2  # seconds
_LOGGED = 30.0  # seconds between two lines of progress in a file
_FEW = 400  # items of an image, which one process has done before others would help
_AT_ONCE = 16  # items of an image that a process takes

_work: tuple[Callable[[Any], Any], Sequence[Any]]


def between_updates() -> float:
    """Returns the seconds between two updates of a progress that is shown in a file too."""
    return 0.1 if sys.stderr.isatty() else _LOGGED


def progress(
    steps: Iterable[_Item], what: str, total: int | None = None, in_files: bool = False
) -> Iterable[_Item]:
    """Shows the progress of a loop in a terminal, once it has taken two seconds.

    Args:
        steps: The loop's.
        what: Their name.
        total: Their number; None if it is not known.
        in_files: Whether to show it in a file too, where stderr is one, by a line each 30 seconds.
    """
    bar: Iterable[_Item] = tqdm(
        steps,
        desc=what,
        total=total,
        delay=_DELAY,
        disable=False if in_files else None,
        leave=False,
        mininterval=between_updates(),
    )
    return bar


def in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], what: str, weight: int = 1
) -> Iterator[_Result]:
    """Yields the result of each item in order, the same whatever the number of processes.

    On Linux the processes are forks, to which nothing has to be sent. They may call NumPy,
    pycocotools, msgspec and Matplotlib, which hold no lock and start no thread when a process
    forks, but neither torch nor OpenCV. Elsewhere, for few items, and in a process that has been
    started by another, this process does all.

    Args:
        function: Returns what can be pickled.
        items: Such as the positions of each image's detections.
        what: For the progress bar.
        weight: Work of an item; that of an image's detections is 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if cores == 1 or len(items) * weight < _FEW or multiprocessing.parent_process():
        yield from map(function, progress(items, what, len(items)))
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(cores, context, _start, (function, items)) as pool:
        results = pool.map(_of_item, range(len(items)), chunksize=max(1, _AT_ONCE // weight))
        yield from progress(results, what, len(items))


def _start(function: Callable[[Any], Any], items: Sequence[Any]) -> None:
    global _work
    _work = function, items
    gc.freeze()  # looking for garbage would copy the memory that is shared with the parent


def _of_item(index: int) -> Any:
    function, items = _work
    return function(items[index])
