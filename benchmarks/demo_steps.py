"""Times a training step of the demo by what makes it cheap, one thing after the other.

    python -m benchmarks.demo_steps CHECKPOINT [--data data/demo] [--turns N] [--json FILE]

Detectors with the weights of a trained demo take turns on the same batches of its training images.
The first is the demo's as it was: mmcv's RoIAlign, AdamW one tensor at a time, float32. Each of the
others has one thing more than the one before; the last but one is the demo's on a CPU with AMX, the
last has fewer samples. Times are of the processor, and ratios beside the first.
"""

import argparse
import copy
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from mmdet.models.roi_heads import roi_extractors
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from benchmarks.turns import add_to_json, machine
from msrcnn_mm.engine.hooks.channels_last import ChannelsLastHook
from msrcnn_mm.registration import register_all

CONFIG = Path(__file__).parents[1] / "configs" / "demo" / "ms-rcnn_demo.py"
STEPS = (
    "as it was",
    "RoIAlign as sums of feature vectors",
    "AdamW fused",
    "channels-last",
    "bf16 (--amp on a CPU with AMX)",
    "24 RoIs of 60 proposals, 8 positive as before",
)


Step = Callable[[dict], dict]


def training_step(config: Config, steps: int, weights: dict[str, torch.Tensor]) -> Step:
    """Returns a training step of the demo with the first of :data:`STEPS`."""
    config = copy.deepcopy(config)
    head, train, optimizer = config.model.roi_head, config.model.train_cfg, config.optim_wrapper
    if steps < 1:
        for extractor in (head.bbox_roi_extractor, head.mask_roi_extractor):
            extractor.type = roi_extractors.SingleRoIExtractor
    if steps >= 5:
        train.rpn_proposal.update(nms_pre=150, max_per_img=60)
        train.rcnn.sampler.update(num=24, pos_fraction=0.34)
    optimizer.optimizer.update(lr=1e-5, fused=steps >= 2)
    if steps >= 4:
        optimizer.type = "CpuAmpOptimWrapper"
    model = MODELS.build(config.model)
    model.load_state_dict(weights)
    if steps >= 3:
        ChannelsLastHook().before_run(SimpleNamespace(model=model))
    wrapper = build_optim_wrapper(model, optimizer)

    def step(batch: dict) -> dict:
        model.train()
        data = dict(batch, data_samples=[sample.clone() for sample in batch["data_samples"]])
        return model.train_step(data, wrapper)

    return step


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", default="data/demo", help="of make demo [data/demo]")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--json", type=Path, help="file to add the figures to")
    args = parser.parse_args()
    register_all()
    init_default_scope("mmdet")
    MMLogger.get_instance("mmengine").setLevel("WARNING")  # else it lists every parameter
    config = Config.fromfile(CONFIG)
    config.train_dataloader.dataset.data_root = f"{args.data}/"
    batches = Runner.build_dataloader(config.train_dataloader, seed=0)
    weights = torch.load(args.checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    steps = [training_step(config, i, weights) for i in range(len(STEPS))]
    times = []
    for batch in islice(batches, 3 + args.turns):  # three to warm up
        row = []
        for step in steps:
            start = time.process_time()
            step(batch)
            row.append(time.process_time() - start)
        times.append(row)
    taken = np.array(times[3:])
    print(machine("cpu"))
    figures = {}
    for name, own in zip(STEPS, taken.T, strict=True):
        low, middle, high = np.quantile(own / taken[:, 0], (0.25, 0.5, 0.75))
        figures[name] = dict(ms=1000 * float(np.median(own)), ratio=middle, low=low, high=high)
        print(
            f"  {name:48} {1000 * np.median(own):6.0f} ms  ratio {middle:.2f} ({low:.2f} to "
            f"{high:.2f})"
        )
    add_to_json(args.json, "demo_steps", "cpu", figures)


if __name__ == "__main__":
    main()
