"""Times detectors on an image, compared with one another."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmdet.models import BaseDetector

from .random_run import random_image, run_once


@dataclass(frozen=True)
class Timing:
    """Time of a detector on an image.

    Attributes:
        seconds: The time of each turn.
        masks: Its number of masks in the image, or of boxes if it makes no masks.
    """

    seconds: list[float]
    masks: int


def time_in_turns(
    models: Sequence[tuple[str, BaseDetector]],
    shape: tuple[int, int],
    turns: int,
    device: torch.device | str,
    on_progress: Callable[[int, int], None],
) -> list[Timing]:
    """Times detectors on the same image, one after the other in each turn.

    Whatever else runs on the machine thus slows all of them alike. An image's time is that of
    ``test_step``: normalising, the networks, boxes, masks pasted into the image.

    Args:
        models: Name and detector of each.
        shape: Height, width of the image.
        turns: Number of images that each is timed on, after one to warm up.
        device: The device to run on.
        on_progress: Called with the images done and the total.

    Returns:
        A timing for each model.

    Raises:
        UserError: A model cannot run on such an image.
    """
    data = random_image(shape)
    seconds: list[list[float]] = [[] for _ in models]
    found = [0 for _ in models]
    for turn in range(turns + 1):
        for i, (name, model) in enumerate(models):
            model.to(device)
            start = time.perf_counter()
            (result,) = run_once(model, data, name, shape)
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            seconds[i].append(time.perf_counter() - start)
            found[i] = len(result.pred_instances) if "pred_instances" in result else 0
            on_progress(turn * len(models) + i + 1, (turns + 1) * len(models))
    return [Timing(taken[1:], masks) for taken, masks in zip(seconds, found, strict=True)]
