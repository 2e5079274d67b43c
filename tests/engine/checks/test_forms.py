"""Checks of the form of data sets against what MMDetection builds; settings of MMDetection 2."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from msrcnn_mm.engine.checks.run import check_run
from tests.support.checked_configs import CLASSES, check, edit, make_config, refusal


@DATASETS.register_module()
class FolderListDataset(CocoDataset):
    """Knows a setting that MMDetection 3 does not."""

    def __init__(self, img_prefix: str = "", **kwargs: Any) -> None:
        super().__init__(data_prefix=dict(img=img_prefix), **kwargs)

    load_data_list = CocoDataset.load_data_list


@TRANSFORMS.register_module()
class ContrastTransform:
    """A transform of one's own with a name and a setting of MMDetection 2."""

    def __init__(self, img_scale: Any) -> None:
        self.img_scale = img_scale


def data_set(root: Path, **changes: Any) -> dict:
    """Returns the training set, with other settings; those that are None are left out."""
    settings = {**make_config(root).train_dataloader.dataset, **changes}
    return {key: value for key, value in settings.items() if value is not None}


def wrap(kind: str, inner: Any, **settings: Any) -> dict:
    key = "datasets" if kind == "ConcatDataset" else "dataset"
    return {"type": kind, key: inner, **settings}


def repeat(inner: Any) -> dict:
    return wrap("RepeatDataset", inner, times=2)


def balance(inner: Any) -> dict:
    return wrap("ClassBalancedDataset", inner, oversample_thr=0.1)


def concat(*inner: Any) -> dict:
    return wrap("ConcatDataset", list(inner))


def mix(inner: Any) -> dict:
    return wrap("MultiImageMixDataset", inner, pipeline=[])


def refused(root: Path, dataset: Any) -> str:
    config = make_config(root)
    config.train_dataloader = dict(dataset=dataset)
    return refusal(config)


@pytest.mark.parametrize(
    "form",
    [
        lambda a: concat(a, a),
        lambda a: repeat(concat(a, repeat(a))),
        lambda a: concat(balance(a), a),
        lambda a: repeat(balance(a)),
        lambda a: mix(concat(a, a)),
        lambda a: mix(repeat(a)),
        lambda a: dict(concat(a), datasets=(a, a)),
        lambda a: dict(a, type=CocoDataset),
        lambda a: concat(a, dict(a, metainfo=dict(classes=CLASSES, palette=[(1, 2, 3)] * 3))),
    ],
)
def test_what_mmdetection_builds_passes_and_is_checked_in_every_leaf(root: Path, form: Any) -> None:
    config = make_config(root)
    config.train_dataloader = dict(dataset=form(data_set(root)))
    check(config)
    assert len(DATASETS.build(config.train_dataloader.dataset)) >= 2

    def break_last(part: dict) -> None:
        inner = part.get("datasets") or part.get("dataset")
        if inner is None:
            part["ann_file"] = "absent.json"
        else:
            break_last(inner[-1] if isinstance(inner, list | tuple) else inner)

    break_last(config.train_dataloader.dataset)
    message = refusal(config)
    assert "absent.json" in message and message.startswith("train_dataloader.dataset")


LIST = "is a list: write dict(type='ConcatDataset', datasets=[...])"
READS_ONE = (
    "is a list, and MMDetection 3 reads one: write a data set for each, dict(type='ConcatDataset'"
)


# the error by which MMDetection fails -> data sets, and what we say of each
NOT_BUILT: dict[type[Exception], list[tuple[Any, str]]] = {
    TypeError: [
        (lambda a: [a, a], f"train_dataloader.dataset {LIST}"),
        (lambda a: repeat([a, a]), f"train_dataloader.dataset.dataset {LIST}"),
        (lambda a: mix([a]), f"train_dataloader.dataset.dataset {LIST}"),
        (lambda a: concat(a, [a, a]), f"train_dataloader.dataset.datasets[1] {LIST}"),
        (lambda a: wrap("ConcatDataset", a), "dataset.datasets must be a list of data sets"),
        (lambda a: dict(type="ConcatDataset", dataset=[a]), "ConcatDataset and has no datasets"),
        (lambda a: dict(type="RepeatDataset", times=2), "is a RepeatDataset and has no dataset"),
        (lambda a: wrap("RepeatDataset", a), "is a RepeatDataset and has no times: write times="),
        (lambda a: wrap("ClassBalancedDataset", a), "has no oversample_thr: write oversample_thr="),
        (lambda a: wrap("MultiImageMixDataset", a), "has no pipeline: write pipeline=..."),
        (lambda a: "coco", "train_dataloader.dataset must be a dict(type=..., ...), not coco"),
        (lambda a: concat(a, None), "datasets[1] must be a dict(type=..., ...), not None"),
        (lambda a: dict(a, ann_file=["a", "b"]), f"train_dataloader.dataset.ann_file {READS_ONE}"),
        (lambda a: dict(a, data_prefix=dict(img=["a"])), "data_prefix.img must be one folder"),
        (lambda a: dict(a, img_prefix="train/"), "img_prefix is of MMDetection 2: write data_pre"),
        (lambda a: dict(a, seg_prefix="train/"), "seg_prefix is of MMDetection 2: write data_pre"),
        (lambda a: dict(a, filter_empty_gt=False), "write filter_cfg=dict(filter_empty_gt=...)"),
        (lambda a: concat(a) | dict(separate_eval=True), "'MultiDatasetsEvaluator'"),
        (lambda a: a | concat(a), "has (data_root, ann_file, data_prefix and 2 more), as left by"),
        (
            lambda a: repeat(a) | dict(ann_file="a"),
            "dict(_delete_=True, type='RepeatDataset', ...)",
        ),
        (lambda a: concat(dict(a, _delete_=True)), "datasets[0] has _delete_, and no base has"),
    ],
    IndexError: [
        (lambda a: concat(), "dataset.datasets must be a list of data sets, not []"),
    ],
    KeyError: [
        (lambda a: {k: a[k] for k in a if k != "type"}, "must be a dict(type=..., ...)"),
        (lambda a: dict(a, data_prefix=dict(img_path="train/")), "data_prefix has no img"),
    ],
    AssertionError: [
        (lambda a: concat(a, dict(a, data_root=["a"])), f"datasets[1].data_root {READS_ONE}"),
    ],
    AttributeError: [
        (lambda a: dict(a, data_prefix="train/"), "is 'train/': write data_prefix=dict(img=...)"),
        (lambda a: dict(a, data_prefix=["a", "b"]), "write data_prefix=dict(img=...)"),
        (lambda a: balance(concat(a, a)), "dataset is a ConcatDataset, which a ClassBalancedData"),
        (lambda a: balance(repeat(a)), "is a RepeatDataset, which a ClassBalancedDataset cannot"),
    ],
}


@pytest.mark.parametrize(
    ("form", "error", "says"),
    [(form, error, says) for error, cases in NOT_BUILT.items() for form, says in cases],
)
def test_what_mmdetection_does_not_build_is_one_line(
    root: Path, form: Any, error: type[Exception], says: str
) -> None:
    init_default_scope("mmdet")
    dataset = form(data_set(root))
    with pytest.raises(error):
        DATASETS.build(deepcopy(dataset))
    assert says in refused(root, dataset)


def test_without_a_folder_of_images_the_empty_one_is_to_be_written(root: Path) -> None:
    message = refused(root, data_set(root, data_prefix=None))
    assert "data_prefix has no img: write data_prefix=dict(img=...)" in message


def test_a_class_of_ones_own_may_know_a_setting_of_mmdetection_2(root: Path) -> None:
    config = make_config(root)
    dataset = data_set(root, type="FolderListDataset", data_prefix=None, img_prefix="train/")
    config.train_dataloader.dataset = dataset
    check(config)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_list_of_loaders(root: Path, split: str) -> None:
    config = make_config(root)
    config[f"{split}_dataloader"] = [config.val_dataloader] * 2
    message = refusal(config)
    assert message.startswith(f"{split}_dataloader is a list, and mmengine reads one loader")


@pytest.mark.parametrize(
    ("key", "instead"), [("samples_per_gpu", "batch_size"), ("workers_per_gpu", "num_workers")]
)
def test_settings_of_a_loader(root: Path, key: str, instead: str) -> None:
    config = make_config(root)
    config.train_dataloader[key] = 2
    assert f"train_dataloader.{key} is of MMDetection 2: write {instead}=..." in refusal(config)


def test_data_that_only_mmdetection_2_reads(root: Path) -> None:
    config = make_config(root)
    config.data = dict(train=dict(type="CocoDataset", ann_file="mine.json", img_prefix="mine"))
    says = "data.train is of MMDetection 2, and its mine.json is not read: write train_dataloader ="
    assert says in refusal(config)
    config.pop("train_dataloader")
    assert says in refusal(config)
    config.data.train = [dict(ann_file=["mine.json"])]
    assert says in refusal(config)


def test_variables_of_the_file_are_not_taken_for_settings(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    config = make_config(root)
    config.data = dict(train=config.train_dataloader.dataset, root=str(root))
    config.optimizer = dict(type="SGD", lr=0.1)
    config.optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1))
    config.total_epochs = 12
    config.train_cfg = dict(max_epochs=12)
    config.resume_from = None
    check(config)
    assert capsys.readouterr().err == ""


def test_settings_that_nobody_reads_are_said(root: Path, capsys: pytest.CaptureFixture) -> None:
    config = make_config(root)
    config.optimizer = dict(type="SGD", lr=0.1)
    config.optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.2))
    config.runner = dict(type="EpochBasedRunner", max_epochs=12)
    config.resume_from = "epoch_3.pth"
    config.data = dict(samples_per_gpu=4)
    check(config)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" is of MMDetection 2 and is not read: ")[0] for line in lines] == [
        f"warning: {key}" for key in ("optimizer", "resume_from", "runner", "data.samples_per_gpu")
    ]
    assert lines[0].endswith("write optim_wrapper = dict(optimizer=...)")


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize(
    "change",
    [
        lambda loader: [loader, loader],
        lambda loader: dict(loader, dataset=[loader.dataset] * 2),
        lambda loader: dict(dataset=dict(loader.dataset, ann_file=["a.json", "b.json"])),
    ],
)
def test_several_data_sets_of_a_test_need_an_evaluator_of_each(
    root: Path, split: str, change: Any
) -> None:
    config = make_config(root)
    config[f"{split}_dataloader"] = change(config[f"{split}_dataloader"])
    message = refusal(config)
    assert "dict(type='ConcatDataset', datasets=[...])" in message
    assert f"{split}_evaluator = dict(type='MultiDatasetsEvaluator', metrics=[...]" in message


def test_each_data_set_is_compared_with_its_own_metric(root: Path) -> None:
    def keep_one(content: dict) -> None:
        content["images"] = [image for image in content["images"] if image["id"] == 1]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] == 1]

    edit(root / "val.json", keep_one)
    config = make_config(root)
    first, second = (deepcopy(config[f"{part}_dataloader"].dataset) for part in ("val", "train"))
    config.test_dataloader.dataset = concat(first, second)
    metrics = [deepcopy(config.test_evaluator) for _ in range(2)]
    metrics[1].ann_file = f"{root}/train.json"
    both = dict(type="MultiDatasetsEvaluator", metrics=metrics, dataset_prefixes=["a", "b"])
    config.test_evaluator = both
    check_run(config, ("test",))
    config.test_evaluator = dict(both, metrics=metrics[::-1])
    assert "and order metrics as the data sets" in refusal(config)
    config.test_evaluator = both
    metrics[1].metric = "mask"
    assert "no metric ('mask')" in refusal(config)


def test_images_that_are_tested_more_than_once_are_said(
    root: Path, capsys: pytest.CaptureFixture
) -> None:
    config = make_config(root)
    once = config.test_dataloader.dataset
    for dataset in (repeat(once), balance(once), concat(once, once)):
        config.test_dataloader.dataset = dataset
        check(config)
        warning = "warning: test_dataloader.dataset has images more than once, and AP takes"
        assert capsys.readouterr().err.startswith(warning)
    evaluators = [config.test_evaluator] * 2
    config.test_evaluator = dict(
        type="MultiDatasetsEvaluator", metrics=evaluators, dataset_prefixes=["a", "b"]
    )
    check(config)
    assert capsys.readouterr().err == ""


def test_several_files_of_one_metric(root: Path) -> None:
    config = make_config(root)
    config.test_evaluator = [dict(config.test_evaluator, ann_file=["a.json", "b.json"])]
    message = refusal(config)
    assert message.startswith("test_evaluator[0].ann_file is a list, and a metric reads one: write")


IMG_NORM = dict(mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4], to_rgb=True)

OLD_STEPS: list[tuple[dict, str]] = [
    (dict(type="Resize", img_scale=(96, 96)), ".img_scale is of MMDetection 2: write scale=(width"),
    (dict(type="Resize", scale=(9, 9), multiscale_mode="value"), "write dict(type='RandomChoiceRe"),
    (
        dict(type="Resize", scale=(9, 9), ratio_range=(1, 2)),
        "write dict(type='RandomResize', scale",
    ),
    (dict(type="Resize", scale=(9, 9), bbox_clip_border=True), "write clip_object_border=..."),
    (dict(type="Resize", scale=(9, 9), override=True), ".override is of MMDetection 2"),
    (dict(type="RandomFlip", flip_ratio=0.5), ".flip_ratio is of MMDetection 2: write prob=..."),
    (dict(type="LoadAnnotations", denorm_bbox=True), ".denorm_bbox is of MMDetection 2"),
    (dict(type="RandomShift", shift_ratio=0.5), ".shift_ratio is of MMDetection 2: write prob=..."),
    (dict(type="CachedMosaic", skip_filter=False), "FilterAnnotations"),
    (dict(type="CachedMixUp", min_bbox_size=2), "FilterAnnotations"),
    (dict(type="Rotate", max_rotate_angle=30), "write max_mag=..."),
    (
        dict(type="DefaultFormatBundle"),
        " is DefaultFormatBundle of MMDetection 2: write dict(type=",
    ),
    (dict(type="Collect", keys=["img"]), " is Collect of MMDetection 2: write dict(type='PackDet"),
    (dict(type="mmdet.DefaultFormatBundle"), " is DefaultFormatBundle of MMDetection 2"),
    (dict(type="Translate", level=3), " is Translate of MMDetection 2: write dict(type='Translate"),
    (dict(type="Shear", level=3), " is Shear of MMDetection 2: write dict(type='ShearX'"),
    (
        dict(type="MultiScaleFlipAug", img_scale=(96, 96), flip=False, transforms=[]),
        " is MultiScaleFlipAug of MMDetection 2: write its transforms in its place",
    ),
]


@pytest.mark.parametrize(("step", "says"), OLD_STEPS)
def test_a_step_of_mmdetection_2_is_one_line_with_its_key(
    root: Path, step: dict, says: str
) -> None:
    init_default_scope("mmdet")
    with pytest.raises((TypeError, KeyError)):
        Compose([deepcopy(step)])
    for split in ("train", "val", "test"):
        config = make_config(root)
        config[f"{split}_dataloader"].dataset.pipeline.append(step)
        message = refusal(config)
        assert message.startswith(f"{split}_dataloader.dataset.pipeline[2]")
        assert says in message
    config = make_config(root)
    inner = dict(type="RandomApply", transforms=[step])
    config.train_dataloader.dataset.pipeline.append(inner)
    assert refusal(config).startswith("train_dataloader.dataset.pipeline[2].transforms[0]")
    config = make_config(root)
    config.custom_hooks = [dict(type="PipelineSwitchHook", switch_epoch=1, switch_pipeline=[step])]
    assert refusal(config).startswith("custom_hooks[0].switch_pipeline[0]")
    config = make_config(root)
    config.train_dataloader.dataset = mix(config.train_dataloader.dataset) | dict(pipeline=[step])
    assert refusal(config).startswith("train_dataloader.dataset.pipeline[0]")


def test_what_packs_in_mmdetection_2_is_pack_det_inputs(root: Path) -> None:
    config = make_config(root)
    config.test_dataloader.dataset.pipeline.append(dict(type="ImageToTensor", keys=["img"]))
    message = refusal(config)
    assert message.startswith("test_dataloader.dataset.pipeline[2] is ImageToTensor of MMDetection")
    assert "write dict(type='PackDetInputs')" in message


def test_images_are_normalized_once(root: Path) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.pipeline.append(dict(type="Normalize", **IMG_NORM))
    check(config)
    config.model.data_preprocessor = dict(type="DetDataPreprocessor", mean=None)
    check(config)
    config.model.data_preprocessor.mean = IMG_NORM["mean"]
    assert refusal(config).startswith("train_dataloader.dataset.pipeline[2] is Normalize, as in")


def test_steps_that_mmdetection_3_or_another_library_knows_pass(root: Path) -> None:
    config = make_config(root)
    config.train_dataloader.dataset.pipeline += [
        dict(type="CachedMosaic", img_scale=(96, 96)),
        dict(type="CachedMixUp", img_scale=(96, 96), flip_ratio=0.5, ratio_range=(1, 2)),
        dict(type="RandomCrop", crop_size=(9, 9), bbox_clip_border=False),
        dict(type="Pad", size_divisor=32),
        dict(type="Albu", transforms=[dict(type="Normalize"), dict(type="Translate", override=1)]),
        dict(type=ContrastTransform, img_scale=1),
        dict(type="ContrastTransform", img_scale=1),
    ]
    config.model.data_preprocessor = dict(type="DetDataPreprocessor", mean=[1, 2, 3])
    check(config)
