# Trains only the MaskIoU head, 3 epochs, on the trained Mask R-CNN of this folder, so that scorers
# can be compared on the same masks.
_base_ = "ms-rcnn_r18_fpn_nuclei.py"
load_from = "work_dirs/mask-rcnn_r18_fpn_nuclei/epoch_14.pth"
model = dict(backbone=dict(frozen_stages=4, init_cfg=None))

frozen = dict(lr_mult=0)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(neck=frozen, rpn_head=frozen, bbox_head=frozen, mask_head=frozen)
    )
)
max_epochs = 3
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type="MultiStepLR", milestones=[2], gamma=0.1, by_epoch=True, end=max_epochs),
]
