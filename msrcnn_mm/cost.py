"""What a detector costs an image: parameters, multiply-accumulates (MACs) and time, part by part.

A RoI head costs what its RoIs cost, so it is counted on a few of them and reckoned up to as many as
the test config allows. That is how the paper gives the MaskIoU head's cost: "0.39 G for each
proposal", and 0.53 G for the mask head (Huang et al., CVPR 2019), which are MACs.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from mmcv.ops import DeformConv2d, ModulatedDeformConv2d
from mmdet.models import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .errors import UserError

_PROBED_PROPOSALS = 24  # RoIs that are enough to count on
REST = "rest"


@dataclass
class PartCost:
    """What a part of a detector costs.

    Attributes:
        name: Where it is in the model's config.
        parameters: How many it has.
        macs: MACs an image.
        rois: Numbers of RoIs in an image that it runs on, proposals and masks apart; empty for a
            part that runs once an image.
    """

    name: str
    parameters: int
    macs: float = 0.0
    rois: list[int] = field(default_factory=list)

    @property
    def macs_an_roi(self) -> float | None:
        """MACs an RoI, all stages of a cascade together; None for a part without RoIs."""
        return self.macs / sum(self.rois) if self.rois else None


@dataclass(frozen=True)
class Cost:
    """What a detector costs.

    Attributes:
        padded: Height, width of what the network sees, after padding.
        parts: The parts that have parameters or MACs, in the model's order.
        parameters: Of the whole model, those that parts share counted once.
    """

    padded: tuple[int, int]
    parts: list[PartCost]
    parameters: int

    @property
    def macs(self) -> float:
        """MACs an image."""
        return sum(part.macs for part in self.parts)


@dataclass(frozen=True)
class _Call:
    """One call of a part: its MACs, and how many RoIs it had if it had any."""

    part: str
    macs: int
    rois: int | None


class _Meter:
    """Counts MACs of what runs inside it, by part.

    A part's call lasts from its first module's call to that one's return: parts that are lists of
    stages, or whose modules are called one by one, count in full.
    """

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        self.parts = parts
        self.calls: list[_Call] = []
        self._flops = FlopCounterMode(display=False)
        self._deformable = 0
        self._open: dict[str, int] = dict.fromkeys(parts, 0)
        self._start = 0

    @property
    def macs(self) -> int:
        """MACs so far."""
        return self._flops.get_total_flops() // 2 + self._deformable

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts while it is open."""
        handles = []
        for name, part in self.parts.items():
            for module in part.modules():
                handles.append(module.register_forward_pre_hook(self._on_call(name)))
                # first, since the part's call may end with this module's
                if isinstance(module, DeformConv2d | ModulatedDeformConv2d):
                    handles.append(module.register_forward_hook(self._add_deformable))
                handles.append(module.register_forward_hook(self._on_return(name)))
        fast_path = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # its fused attention would count as nothing
        try:
            with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), self._flops:
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast_path)
            for handle in handles:
                handle.remove()

    def _on_call(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple) -> None:
            if self._open[name] == 0:
                self._start = self.macs
            self._open[name] += 1

        return hook

    def _on_return(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, output: Any) -> None:
            self._open[name] -= 1
            if self._open[name] == 0:
                rois = len(args[0]) if args and isinstance(args[0], Tensor) else None
                self.calls.append(_Call(name, self.macs - self._start, rois))

        return hook

    def _add_deformable(self, module: Any, args: tuple, output: Tensor) -> None:
        """As many as a convolution of that size: mmcv's operator is unknown to torch's counter."""
        weights = module.weight.numel()  # (out, in / groups, height, width)
        self._deformable += weights * output.shape[0] * output.shape[2] * output.shape[3]


def count_cost(config: Config, name: str, shape: tuple[int, int]) -> Cost:
    """Counts a detector's parameters and its MACs in a test of one image.

    Counted are convolutions, deformable ones too, fully connected layers and matrix products,
    attention among them. Left out is what is small or no multiplication: RoIAlign, NMS,
    interpolation, normalisation, activations, pasting of masks.

    Args:
        config: The whole config; it stays as it is.
        name: The config's name, for messages.
        shape: Height, width of the image.

    Raises:
        UserError: The model cannot be built, or cannot run on such an image.
    """
    asked, probed = _test_counts(config), copy.deepcopy(config)
    proposals = min(asked["rpn"] or _PROBED_PROPOSALS, _PROBED_PROPOSALS)
    _set_count(probed, "rpn", proposals)
    # fewer, so that a call's number of RoIs tells what they are
    _set_count(probed, "rcnn", max(1, min(asked["rcnn"] or proposals, proposals // 3)))
    model = build(probed, name)
    meter = _Meter(_parts(model))
    data = _image(shape)
    with _proposals_of(model) as seen, meter.running():
        (result,) = _run(model, data, name, shape)
    detections = len(result.pred_instances) if "pred_instances" in result else 0
    counts = {detections: asked["rcnn"] or detections}
    counts |= {number: asked["rpn"] or number for number in seen}
    parts = _reckon(meter, counts)
    rest = meter.macs - sum(call.macs for call in meter.calls)
    whole = [part for part in parts if part.parameters or part.macs]
    if rest:
        whole.append(PartCost(REST, 0, rest))
    height, width = result.batch_input_shape
    return Cost((height, width), whole, _parameters(model))


def _reckon(meter: _Meter, counts: Mapping[int, int]) -> list[PartCost]:
    """What the parts cost with the test config's numbers of RoIs.

    Args:
        meter: With the calls of one image.
        counts: Number of RoIs that a call had -> how many it will have.
    """
    parts = {name: PartCost(name, _parameters(part)) for name, part in meter.parts.items()}
    for call in meter.calls:
        part = parts[call.part]
        if not _is_of_rois(call.part) or not call.rois:
            part.macs += call.macs
            continue
        rois = counts.get(call.rois, call.rois)
        part.macs += call.macs / call.rois * rois
        if rois not in part.rois:
            part.rois.append(rois)
    return list(parts.values())


def _parts(model: BaseDetector) -> dict[str, nn.Module]:
    """A detector's own parts; of its RoI head the parts of that."""
    parts = {}
    for name, part in model.named_children():
        if name == "roi_head":
            parts.update({f"roi_head.{inner}": head for inner, head in part.named_children()})
        else:
            parts[name] = part
    return parts


def _is_of_rois(name: str) -> bool:
    return name.startswith("roi_head.")


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def _proposals_of(model: BaseDetector) -> Iterator[list[int]]:
    """Notes how many proposals the RoI head of a detector is given."""
    seen: list[int] = []
    head = getattr(model, "roi_head", None)
    if head is None:
        yield seen
        return
    predict = head.predict

    def noting(x: Any, rpn_results_list: Sequence, *args: Any, **kwargs: Any) -> Any:
        seen.extend(len(results) for results in rpn_results_list)
        return predict(x, rpn_results_list, *args, **kwargs)

    head.predict = noting
    try:
        yield seen
    finally:
        del head.predict


def _test_counts(config: Config) -> dict[str, int | None]:
    """Proposals (``rpn``) and detections (``rcnn``) an image in a test; None where it sets none."""
    stages = config.model.get("test_cfg") or {}
    counts = {stage: (stages.get(stage) or {}).get("max_per_img") for stage in ("rpn", "rcnn")}
    return {stage: count if count and count > 0 else None for stage, count in counts.items()}


def _set_count(config: Config, stage: str, count: int) -> None:
    """Sets the number of proposals or detections, where the test config has one."""
    if _test_counts(config)[stage]:
        config.model.test_cfg[stage].max_per_img = count


def build(config: Config, name: str) -> BaseDetector:
    """Builds a config's detector for a test, with random weights and no least score.

    Without a least score even random weights find as many objects as the config allows. Detectors
    that begin alike have the same weights that far.

    Args:
        config: The whole config; it stays as it is.
        name: Its name, for messages.

    Raises:
        UserError: It cannot be built.
    """
    model = copy.deepcopy(config.model)
    _drop_score_thr(model.get("test_cfg"))
    init_default_scope(config.get("default_scope") or "mmdet")
    torch.manual_seed(0)
    try:
        return MODELS.build(model).eval()
    except Exception as error:  # whatever a config's mistake leads to
        raise UserError(f"{name}: the model cannot be built: {_brief(error)}") from error


def _drop_score_thr(settings: Any) -> None:
    if isinstance(settings, dict):
        if "score_thr" in settings:
            settings["score_thr"] = 0.0
        for inner in settings.values():
            _drop_score_thr(inner)


def _image(shape: tuple[int, int]) -> dict[str, list]:
    """A random image, as a data loader hands it over."""
    noise = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, *shape), generator=noise, dtype=torch.uint8)
    sample = DetDataSample(
        metainfo=dict(
            img_id=0, img_path="", img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)
        )
    )
    return dict(inputs=[image], data_samples=[sample])


def _run(
    model: BaseDetector, data: dict[str, list], name: str, shape: tuple[int, int]
) -> list[DetDataSample]:
    """A test step, the data left as they are."""
    data = dict(inputs=data["inputs"], data_samples=[s.clone() for s in data["data_samples"]])
    try:
        with torch.no_grad():
            return model.test_step(data)
    except Exception as error:  # a model that asks for other inputs, too small an image, no memory
        raise UserError(
            f"{name}: the model does not run on an image of {shape[0]} x {shape[1]}: "
            f"{_brief(error)}"
        ) from error


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


@dataclass(frozen=True)
class Timing:
    """How long a detector takes an image.

    Attributes:
        seconds: Of each turn.
        masks: How many masks it made in an image, or boxes if it makes no masks.
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

    In turns, since what else runs on the machine then slows all of them alike. An image's time is
    that of ``test_step``: normalising, the networks, boxes, masks pasted into the image.

    Args:
        models: Name and detector of each.
        shape: Height, width of the image.
        turns: How many images each is timed on, after one to warm up.
        device: Where to run.
        on_progress: Called with the images done and the images to do.

    Returns:
        A timing for each model.

    Raises:
        UserError: A model cannot run on such an image.
    """
    data = _image(shape)
    seconds: list[list[float]] = [[] for _ in models]
    found = [0 for _ in models]
    for turn in range(turns + 1):
        for i, (name, model) in enumerate(models):
            model.to(device)
            start = time.perf_counter()
            (result,) = _run(model, data, name, shape)
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize(device)
            seconds[i].append(time.perf_counter() - start)
            found[i] = len(result.pred_instances) if "pred_instances" in result else 0
            on_progress(turn * len(models) + i + 1, (turns + 1) * len(models))
    return [Timing(taken[1:], masks) for taken, masks in zip(seconds, found, strict=True)]
