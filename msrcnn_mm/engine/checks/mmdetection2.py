"""Settings and transforms of MMDetection 2, with what MMDetection 3 has in their place."""

OLD_SETTINGS = {
    # of a run
    "checkpoint_config": "default_hooks = dict(checkpoint=dict(type='CheckpointHook', ...))",
    "evaluation": "train_cfg = dict(val_interval=...) and val_evaluator = dict(...)",
    "log_config": "default_hooks = dict(logger=dict(type='LoggerHook', ...))",
    "lr_config": "param_scheduler = [...]",
    "optimizer": "optim_wrapper = dict(optimizer=...)",
    "optimizer_config": "optim_wrapper = dict(clip_grad=...)",
    "resume_from": "load_from = ... and resume = True",
    "runner": "train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=...)",
    "total_epochs": "train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=...)",
    # of a loader
    "samples_per_gpu": "batch_size=... in the loader",
    "workers_per_gpu": "num_workers=... in the loader",
    # of a data set
    "filter_empty_gt": "filter_cfg=dict(filter_empty_gt=...)",
    "img_prefix": "data_prefix=dict(img=...)",
    "seg_prefix": "data_prefix=dict(seg=...)",
    "separate_eval": "an evaluator dict(type='MultiDatasetsEvaluator', ...)",
}
"""Settings of MMDetection 2, with what MMDetection 3 reads in their place."""

_PACK = "dict(type='PackDetInputs') at the end of the pipeline, in the place of all that pack"

OLD_TRANSFORMS = {
    "BrightnessTransform": "dict(type='Brightness', ...)",
    "Collect": _PACK,
    "ContrastTransform": "dict(type='Contrast', ...)",
    "DefaultFormatBundle": _PACK,
    "EqualizeTransform": "dict(type='Equalize', ...)",
    "ImageToTensor": _PACK,
    "MultiScaleFlipAug": "its transforms in its place; for several sizes, tta_pipeline",
    "Shear": "dict(type='ShearX', ...) or dict(type='ShearY', ...)",
    "Translate": "dict(type='TranslateX', ...) or dict(type='TranslateY', ...)",
}
"""Transforms of MMDetection 2, with what MMDetection 3 has in their place."""

_SIZES = "dict(type='RandomChoiceResize', scales=[...]) or dict(type='RandomResize', scale=[...])"

OLD_TRANSFORM_SETTINGS = {
    "bbox_clip_border": "clip_object_border=...",
    "denorm_bbox": "the step without it",
    "flip_ratio": "prob=...",
    "img_fill_val": "img_border_value=...",
    "img_scale": f"scale=(width, height); for several {_SIZES}",
    "max_rotate_angle": "max_mag=...",
    "min_bbox_size": "the step without it, and dict(type='FilterAnnotations', ...) after it",
    "multiscale_mode": _SIZES,
    "override": "the step without it",
    "random_negative_prob": "reversal_prob=...",
    "ratio_range": "dict(type='RandomResize', scale=..., ratio_range=...)",
    "shift_ratio": "prob=...",
    "skip_filter": "the step without it, and dict(type='FilterAnnotations', ...) after it",
}
"""Settings of MMDetection 2 in a step of a pipeline, with what MMDetection 3 reads instead."""
