"""Tests that each ablation changes the one setting that its name says."""

import pytest
from mmengine.config import Config

from tests.configs.config_files import CONFIGS, difference, plain

HEAD = "model.roi_head.mask_iou_head"
EXTRACTOR = "model.roi_head.mask_iou_roi_extractor"
HIGH_RES = dict(
    type="SingleRoIExtractor",
    roi_layer=dict(type="RoIAlign", output_size=28, sampling_ratio=0),
    out_channels=256,
    featmap_strides=[4, 8, 16, 32],
)
ABLATIONS = {
    "input-multiply": {f"{HEAD}.mask_input": "target_multiply"},
    "input-all-masks": {f"{HEAD}.mask_input": "all_concat"},
    "input-high-res": {
        EXTRACTOR: HIGH_RES,
        f"{HEAD}.roi_feat_size": 28,
        f"{HEAD}.conv_strides": (2, 1, 1, 2),
    },
    "learns-all-classes": {f"{HEAD}.learns": "all_classes"},
    "learns-positive-classes": {f"{HEAD}.learns": "positive_classes"},
    "mask-iou-over-0.3": {f"{HEAD}.mask_iou_thr": 0.3},
    "mask-iou-over-0.5": {f"{HEAD}.mask_iou_thr": 0.5},
    "mask-iou-over-0.7": {f"{HEAD}.mask_iou_thr": 0.7},
    "box-iou-over-0.6": {f"{HEAD}.box_iou_thr": 0.6},
}


@pytest.mark.parametrize("base", [None, "nuclei/ms-rcnn_r18_fpn_nuclei", "demo/ms-rcnn_demo"])
def test_an_ablation_changes_what_its_name_says(
    base: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem = "ms-rcnn_r18_fpn_18e_coco"
    if base is not None:
        monkeypatch.setenv("ABLATION_OF", f"../{base}.py")
    before = Config.fromfile(CONFIGS / f"{base or f'ms_rcnn/{stem}'}.py").to_dict()
    files = {path.stem.removeprefix(f"{stem}_") for path in (CONFIGS / "ablation").glob("*.py")}
    assert files == set(ABLATIONS)
    for name, expected in ABLATIONS.items():
        config = Config.fromfile(CONFIGS / "ablation" / f"{stem}_{name}.py").to_dict()
        if name == "input-high-res":
            channels = before["model"]["roi_head"]["mask_roi_extractor"]["out_channels"]
            expected = expected | {EXTRACTOR: HIGH_RES | dict(out_channels=channels)}
        assert plain(difference(config, before)) == expected, name
