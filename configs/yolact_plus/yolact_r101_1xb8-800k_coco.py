# YOLACT, ResNet-101, the authors' 800,000 iterations.
_base_ = ["yolact_r101_1xb8-55e_coco.py", "../_base_/yolact_800k.py"]
train_cfg, param_scheduler, default_hooks, log_processor = _base_.pop("yolact_800k").values()
train_dataloader = dict(sampler=dict(type="InfiniteSampler"))
