"""Trains a host with many scorers beside one another, and compares what they win on its masks.

    python -m benchmarks.scorer_ideas train CONFIG --work-dir DIR [--seed 0] [--variants NAME ...]
    python -m benchmarks.scorer_ideas table ANNOTATIONS.json DIR [DIR ...] [--max-dets 100]

CONFIG is one with a ``MaskScoringRoIHead``, such as configs/demo/ms-rcnn_demo.py. Its own head
learns as ever; the others learn in the same steps and send no gradient into the host, so that all
score the same masks. ``train`` leaves in DIR the checkpoint, a config for tools/test.py whose
results have the ``rescored_scores`` of TPShareHead, and the scores of all variants on the config's
test images. ``table`` prints AP by each, means over the folders, which are those of several seeds.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from benchmarks.scorer_variants import FROM_DETECTIONS, FROM_ROIS
from msrcnn_mm.coco.annotations import load_annotations
from msrcnn_mm.coco.detections import Detections
from msrcnn_mm.coco.results_file import load_results, write_results
from msrcnn_mm.engine.adapters.predictions import to_arrays, to_detections
from msrcnn_mm.engine.config.file import load_config
from msrcnn_mm.engine.runs.runner import checked_run
from msrcnn_mm.evaluation.average_precision import curves
from msrcnn_mm.evaluation.evaluate import evaluate_scores
from msrcnn_mm.evaluation.overlaps import find_overlaps
from msrcnn_mm.evaluation.protocol import CLASS_SCORE, QUALITY_ORACLE, coco_protocol
from msrcnn_mm.evaluation.summaries import text_table

VARIANTS = FROM_ROIS | FROM_DETECTIONS


def with_variants(config: Config, variants: list[str]) -> Config:
    """Puts the variants beside the config's own MaskIoU head."""
    head = config.model.roi_head
    scorer = dict(type="ScorerVariants", mask_iou_head=head.mask_iou_head, variants=variants)
    head.update(type="ScorerVariantsRoIHead", scorer=scorer)
    config.custom_imports = dict(imports=["benchmarks.scorer_variants"])
    return config


def train(args: argparse.Namespace) -> None:
    """Trains, and writes the scores of all variants."""
    options = {"randomness.seed": args.seed, **(args.cfg_options or {})}
    config = load_config(args.config, options, args.work_dir, "none")
    config = with_variants(config, args.variants or [*VARIANTS])
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    with checked_run(config, args.config, (), ("train",)) as runner:
        config.dump(str(Path(args.work_dir) / "variants.py"))
        runner.train()
        write_scores(runner, Path(args.work_dir))


@torch.no_grad()
def write_scores(runner: Runner, folder: Path) -> None:
    """Tests the config's test images, and writes results and the (D, V) scores of the variants."""
    loader = runner.build_dataloader(runner.cfg.test_dataloader)
    category_ids = loader.dataset.cat_ids
    runner.model.eval()
    parts, scores = [], []
    for batch in loader:
        for sample in runner.model.test_step(batch):
            results = sample.pred_instances
            arrays = to_arrays(results)
            parts.append(to_detections(arrays, sample.img_id, category_ids))
            scores.append(results.variant_scores.float().cpu().numpy())
    write_results(Detections.concatenate(parts), folder / "results.json")
    names = runner.model.roi_head.scorer.variants
    np.savez(folder / "scores.npz", names=names, scores=np.concatenate(scores))


def table(args: argparse.Namespace) -> None:
    """Prints AP by each score, and the share of the quality gap that it recovers."""
    coco = load_annotations(args.annotations)
    protocol = coco_protocol(coco, args.max_dets)
    for folder in args.folders:
        if not (folder / "scores.npz").is_file():
            raise SystemExit(f"{folder}: no scores.npz: train it by this program's train")
    found: dict[str, list[float]] = {}
    for folder in args.folders:
        detections = load_results(folder / "results.json", coco)
        overlaps = find_overlaps(coco, detections, protocol)
        evaluation = evaluate_scores(coco, detections, protocol)
        for name, ranking in evaluation.rankings.items():
            found.setdefault(name, []).append(100 * (ranking.ap["AP"] or 0))
        with np.load(folder / "scores.npz") as file:
            columns = dict(zip(file["names"].tolist(), file["scores"].T, strict=True))
        for name, one in columns.items():
            scores = one[overlaps.detections].astype(float)
            found.setdefault(name, []).append(
                100 * float(curves(overlaps, scores, protocol).columns()[0])
            )
    low, high = (np.array(found[name]) for name in (CLASS_SCORE, QUALITY_ORACLE))
    rows = []
    for name, aps in found.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            share = 100 * (np.array(aps) - low) / (high - low)
        each = [f"{ap:.2f}" for ap in (*aps, np.mean(aps))]
        rows.append(
            [
                name,
                *each,
                f"{share.mean():.0f}" if np.isfinite(share).all() else "-",
                VARIANTS.get(name, ""),
            ]
        )
    seeds = [folder.name for folder in args.folders]
    print(text_table(["ranked by", *seeds, "mean", "recovered %", "is"], rows))


def main() -> None:
    """Trains or prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("train")
    one.add_argument("config")
    one.add_argument("--work-dir", required=True)
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--variants", nargs="+", choices=VARIANTS)
    one.add_argument("--cfg-options", nargs="+", action=DictAction)
    one.set_defaults(run=train)
    two = commands.add_parser("table")
    two.add_argument("annotations", type=Path)
    two.add_argument("folders", type=Path, nargs="+")
    two.add_argument("--max-dets", type=int, default=100)
    two.set_defaults(run=table)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
