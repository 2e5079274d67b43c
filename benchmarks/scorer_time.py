"""Times the scorers on the detections of an image, at the sizes of the configs for COCO.

    python -m benchmarks.scorer_time [--detections 100] [--turns 5] [--device cuda]

Times are of the processor, one thread; on a GPU of the clock. What the scorers see is given: the
time of pooling features for MaskIoUHead comes on top.
"""

import argparse
import time

import numpy as np
import torch
from mmengine.registry import init_default_scope

from benchmarks.turns import machine
from msrcnn_mm.models.scorers.fast_mask_iou_head import FastMaskIoUHead
from msrcnn_mm.models.scorers.mask_iou_head import MaskIoUHead
from msrcnn_mm.models.scorers.mask_scorer import MaskScorer
from msrcnn_mm.models.scorers.seen_detections import SeenDetections, geometry
from msrcnn_mm.models.scorers.tp_share_head import TPShareHead


def time_of(scorer: MaskScorer, count: int, device: str) -> float:
    """Returns the milliseconds that a scorer takes for (count,) random detections."""
    side = scorer.roi_feat_size
    boxes = 100 * torch.rand(count, 4, device=device)
    boxes[:, 2:] += boxes[:, :2] + 5
    features = torch.rand(count, 256 if side else 0, side, side, device=device)
    patches = torch.rand(count, scorer.patch_side, scorer.patch_side, device=device)
    scores, labels = torch.rand(count, device=device), torch.arange(count, device=device) % 80
    clock = time.process_time
    if device != "cpu":
        clock = time.perf_counter
        torch.cuda.synchronize()
    start = clock()
    seen = SeenDetections(features, patches, scores, labels, geometry(boxes, scores, labels))
    scorer.quality(seen).cpu()
    return 1000 * (clock() - start)


@torch.no_grad()
def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    init_default_scope("mmdet")
    scorers = [
        kind().eval().to(args.device) for kind in (MaskIoUHead, FastMaskIoUHead, TPShareHead)
    ]
    times = np.array(
        [
            [time_of(scorer, args.detections, args.device) for scorer in scorers]
            for _ in range(args.turns + 1)
        ]
    )[1:]
    print(f"{machine(args.device)}\n{args.detections} detections, milliseconds")
    for scorer, column in zip(scorers, times.T, strict=True):
        print(f"{type(scorer).__name__:16} {np.median(column):8.1f}")
    print(f"TPShareHead over MaskIoUHead: {np.median(times[:, 2] / times[:, 0]):.3f}")


if __name__ == "__main__":
    main()
