"""Checks operators and scorers of a device against the CPU, on random inputs.

    python -m benchmarks.operators [--device cuda] [--json FILE]

Each runs on both with the same inputs; the CPU computes in float64 where its operator has it. The
figure is the norm of the difference over that of the result, of outputs and of gradients together.
Exit status 1 if one is above its limit.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from mmcv.ops import batched_nms, modulated_deform_conv2d, roi_align
from mmdet.structures.mask import BitmapMasks
from torch import Tensor, nn

from benchmarks.turns import add_to_json, machine
from msrcnn_mm import FastMaskIoUHead, MaskIoUHead
from msrcnn_mm.models.targets.mask_iou_targets import mask_iou_targets
from msrcnn_mm.models.targets.summed_area import SummedAreaTables
from msrcnn_mm.registration import register_all
from tests.support.scenes import random_scene

LIMIT = 1e-5  # of float32 without tf32
LIMITS = {torch.float32: LIMIT, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def difference(mine: Sequence[Tensor], exact: Sequence[Tensor]) -> float:
    """Returns the greatest relative difference of the tensors, by their norms."""
    parts = []
    for tensor, reference in zip(mine, exact, strict=True):
        reference = reference.double().cpu()
        size = reference.norm().clamp(min=1e-12)
        parts.append(float((tensor.double().cpu() - reference).norm() / size))
    return max(parts)


def with_gradients(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Returns a function's output and the gradients of its sum of squares by each input."""
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    out = function(*inputs)
    return [out.detach(), *torch.autograd.grad(out.float().square().sum(), inputs)]


def check_roi_align(device: str) -> float:
    """Checks RoIAlign as the configs use it."""
    features = torch.randn(2, 64, 50, 84)
    corners = torch.rand(256, 2) * torch.tensor([1200.0, 700.0])
    sizes = torch.rand(256, 2) * 400 + 1
    rois = torch.cat((torch.arange(256)[:, None] % 2, corners, corners + sizes), dim=1)

    def run(place: str) -> list[Tensor]:
        boxes = rois.to(place)
        return with_gradients(
            lambda x: roi_align(x, boxes, (14, 14), 1 / 16, 0, "avg", True), [features.to(place)]
        )

    return difference(run(device), run("cpu"))


def check_nms(device: str) -> float:
    """Checks that NMS by class keeps the same boxes in the same order; 0 or 1."""
    corners = torch.rand(2000, 2) * 500
    boxes = torch.cat((corners, corners + torch.rand(2000, 2) * 80 + 1), dim=1)
    scores, labels = torch.rand(2000), torch.randint(0, 5, (2000,))
    config = dict(type="nms", iou_threshold=0.5)
    here = batched_nms(boxes, scores, labels, config)[1]
    there = batched_nms(boxes.to(device), scores.to(device), labels.to(device), config)[1]
    return float(not torch.equal(here, there.cpu()))


def check_deformable_convolution(device: str) -> float:
    """Checks YOLACT++'s layer, whose operator on a CPU is ours."""
    shapes = [(2, 64, 40, 40), (2, 18, 40, 40), (2, 9, 40, 40), (64, 64, 3, 3)]
    inputs = [torch.randn(shape) for shape in shapes]
    inputs[3] /= 24

    def run(place: str) -> list[Tensor]:
        def layer(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
            return modulated_deform_conv2d(x, offset, mask, weight, None, 1, 1, 1, 1, 1)

        return with_gradients(layer, [tensor.to(place) for tensor in inputs])

    return difference(run(device), run("cpu"))


def check_scorer(
    head: nn.Module,
    inputs: Sequence[Tensor],
    more: Sequence[Tensor],
    device: str,
    dtype: torch.dtype,
) -> float:
    """Checks a scorer's outputs, in autocast unless ``dtype`` is float32."""

    def run(place: str, high: bool) -> list[Tensor]:
        network = head.to(place).to(torch.float64 if high else torch.float32)
        values = [tensor.to(place, torch.float64 if high else torch.float32) for tensor in inputs]
        with (
            torch.no_grad(),
            torch.autocast(place, dtype, enabled=not high and dtype != torch.float32),
        ):
            return [network(*values, *(tensor.to(place) for tensor in more))]

    exact = run("cpu", high=True)
    return difference(run(device, high=False), exact)


def mask_iou_inputs() -> tuple[list[Tensor], list[Tensor]]:
    """Returns inputs of the MaskIoU head for 64 RoIs, and their classes."""
    features = torch.rand(64, 256, 14, 14)
    return [features, torch.randn(64, 80, 28, 28)], [torch.randint(0, 80, (64,))]


def check_targets(device: str) -> float:
    """Checks mask IoU targets."""
    mine, exact = [], []
    for seed in range(20):
        scene = random_scene(seed, rois=16)
        masks = BitmapMasks(scene.masks, *scene.masks.shape[1:])
        for place, out in ((device, mine), ("cpu", exact)):
            tables = SummedAreaTables.from_masks([masks], torch.device(place))
            arrays = (scene.logits, scene.boxes, scene.inds)
            tensors = (torch.from_numpy(array).to(place) for array in arrays)
            out.append(mask_iou_targets(*tensors, tables))
    return difference([torch.cat(mine)], [torch.cat(exact)])


def main() -> int:
    """Runs all checks; returns 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    register_all()
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    fast = FastMaskIoUHead(80), [torch.rand(64, 138, 138)], []
    full = MaskIoUHead(num_classes=80), *mask_iou_inputs()
    checks = {
        "RoIAlign, forward and gradient": (lambda: check_roi_align(args.device), LIMIT),
        "NMS, boxes kept": (lambda: check_nms(args.device), 0.0),
        "deformable convolution, forward and gradients": (
            lambda: check_deformable_convolution(args.device),
            LIMIT,
        ),
        "mask IoU targets": (lambda: check_targets(args.device), LIMIT),
    }
    for dtype, limit in LIMITS.items():
        for name, inputs in (("FastMaskIoUHead", fast), ("MaskIoUHead", full)):
            checks[f"{name}, {str(dtype)[6:]}"] = (
                lambda inputs=inputs, dtype=dtype: check_scorer(*inputs, args.device, dtype),
                limit,
            )
    print(f"difference from the CPU: {machine(args.device)}")
    figures, failed = {}, 0
    for name, (check, limit) in checks.items():
        figures[name] = check()
        wrong = not figures[name] <= limit
        failed += wrong
        print(f"  {name:46} {figures[name]:.1e}  limit {limit:.0e}{'  FAILED' if wrong else ''}")
    add_to_json(args.json, "operators", args.device, figures)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
