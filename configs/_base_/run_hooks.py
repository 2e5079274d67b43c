# Registers this package with MMDetection and sets its checks of a run as hooks:
#     default_hooks = _base_.pop("run_hooks")
custom_imports = dict(imports=["msrcnn_mm"], allow_failed_imports=False)
run_hooks = dict(
    # Checks classes, annotations, images and settings before the first iteration.
    run_checks=dict(type="RunChecksHook"),
    # Refuses a checkpoint that does not fit the model.
    checkpoint_fit=dict(type="CheckpointFitHook"),
    # Resumes from the work folder's own checkpoint, with the schedule of the config.
    resume=dict(type="ResumeHook"),
    # Has a resumed training compute what it would have without the interruption.
    exact_resume=dict(type="ExactResumeHook"),
    # Removes an old checkpoint after the next one is written.
    late_removal=dict(type="LateRemovalHook"),
    # Saves and ends at SIGTERM.
    termination=dict(type="TerminationHook"),
    # Ends a training at a loss that is NaN or infinite, with the images and a state.
    finite_loss=dict(type="FiniteLossHook"),
    # Refuses to write pictures over the images that are read.
    overwrite_guard=dict(type="OverwriteGuardHook"),
    # Says what the views of a MultiViewDetector cost.
    multi_view=dict(type="MultiViewHook"),
    # Encodes masks in their boxes, without making images of them.
    mask_encoding=dict(type="MaskEncodingHook"),
    # Adds the scores of the re-scorer that model.test_cfg.rescorer names.
    rescorer=dict(type="RescorerHook"),
)
