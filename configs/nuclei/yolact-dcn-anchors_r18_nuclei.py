# YOLACT on nuclei with the deformable backbone and the anchors of YOLACT++.
_base_ = "yolact-dcn_r18_nuclei.py"
model = dict(bbox_head=dict(anchor_generator=dict(scales_per_octave=3)))
