"""Tests of the MaskIoU head against the paper, MMDetection's head and values by hand."""

import numpy as np
import pytest
import torch
from mmdet.models.roi_heads.mask_heads.maskiou_head import MaskIoUHead as BuiltInMaskIoUHead
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData
from torch import nn

from msrcnn_mm import MaskIoUHead
from msrcnn_mm.errors import SettingError


def run(head: MaskIoUHead, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Returns the outputs for (R, M, M) masks, given to the head among those of other classes."""
    labels = torch.arange(len(features)) % head.num_classes
    shape = (len(features), head.num_classes, *logits.shape[-2:])
    masks = torch.full(shape, float("nan"))  # must not be read
    rois = torch.arange(len(features))
    return head(features, masks.index_put((rois, labels), logits), labels)


def small_head(**kwargs) -> MaskIoUHead:
    torch.manual_seed(0)
    head = MaskIoUHead(
        in_channels=8, conv_out_channels=8, fc_out_channels=16, num_classes=3, **kwargs
    )
    head.init_weights()
    return head


def test_same_parameters_and_outputs_as_the_built_in() -> None:
    ours, theirs = MaskIoUHead(), BuiltInMaskIoUHead()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    features, logits = torch.randn(2, 256, 14, 14), torch.randn(2, 28, 28)
    assert torch.allclose(run(ours, features, logits), theirs(features, logits), atol=1e-6)


def test_initialises_as_the_built_in() -> None:
    torch.manual_seed(0)
    ours = MaskIoUHead()
    ours.init_weights()
    torch.manual_seed(0)
    theirs = BuiltInMaskIoUHead()
    theirs.init_weights()
    for (name, mine), (_, other) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert torch.equal(mine, other), name


def test_costs_what_the_paper_says() -> None:
    macs = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal macs
        positions = output[0, 0].numel() if output.dim() == 4 else 1
        macs += positions * module.weight.numel()

    head = MaskIoUHead()
    for module in head.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    run(head, torch.zeros(1, 256, 14, 14), torch.zeros(1, 28, 28))
    assert round(macs / 1e9, 2) == 0.39  # section 4.4


@pytest.mark.parametrize("side", [7, 14, 15])
@pytest.mark.parametrize(("convs", "fcs"), [(4, 2), (1, 1), (0, 1), (2, 0)])
def test_widths_and_depths_are_config(side: int, convs: int, fcs: int) -> None:
    head = small_head(num_convs=convs, num_fcs=fcs, roi_feat_size=side)
    predicted = run(head, torch.randn(5, 8, side, side), torch.randn(5, 2 * side, 2 * side))
    assert predicted.shape == (5, 3)


def test_class_agnostic_has_one_output() -> None:
    head = small_head(class_agnostic=True)
    predicted = run(head, torch.randn(4, 8, 14, 14), torch.randn(4, 28, 28))
    assert predicted.shape == (4, 1)
    results = InstanceData(scores=torch.ones(4), labels=torch.tensor([0, 2, 1, 2]))
    (scored,) = head.predict_by_feat((predicted,), [results])
    assert torch.equal(scored.mask_ious, predicted[:, 0].clamp(0, 1))


@pytest.mark.parametrize("detach", [False, True])
def test_gradient_into_the_mask_branch_is_config(detach: bool) -> None:
    head = small_head(detach_mask=detach)
    features = torch.randn(3, 8, 14, 14, requires_grad=True)
    logits = torch.randn(3, 28, 28, requires_grad=True)
    run(head, features, logits).sum().backward()
    assert features.grad.abs().sum() > 0
    if detach:
        assert logits.grad is None
    else:
        assert logits.grad.abs().sum() > 0


def test_loss_is_half_the_squared_error_over_what_is_learned() -> None:
    head = small_head()
    predicted = torch.tensor([[0.5, 9.0, 9.0], [9.0, 0.2, 9.0], [9.0, 9.0, 0.9]])
    targets = torch.tensor([[0.7, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
    learned = torch.tensor([[True, False, False], [False] * 3, [False, False, True]])
    loss = head.loss(predicted, targets, learned)["loss_mask_iou"]
    by_hand = 0.5 * (0.2**2 + 0.4**2) / 2
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


def test_classes_are_summed_and_rois_averaged() -> None:
    head = small_head()
    predicted = torch.tensor([[0.5, 0.3, 0.1], [0.4, 0.2, 9.0]])
    targets = torch.tensor([[0.7, 0.0, 0.0], [0.0, 0.6, 0.0]])
    learned = torch.tensor([[True, True, True], [False, True, False]])
    loss = head.loss(predicted, targets, learned)["loss_mask_iou"]
    by_hand = 0.5 * (0.2**2 + 0.3**2 + 0.1**2 + 0.4**2) / 2
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


def test_an_overflow_where_nothing_is_learned_changes_nothing() -> None:
    head = small_head()
    predicted = torch.tensor([[0.5, 0.0, 0.0], [float("inf"), 0.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[0.7, 0.0, 0.0], [0.0, 0.0, 0.0]])
    loss = head.loss(predicted, targets, targets > 0)["loss_mask_iou"]
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * 0.2**2, rel=1e-5)
    assert torch.isfinite(predicted.grad).all()


def test_loss_reaches_only_what_is_learned() -> None:
    head = small_head()
    predicted = torch.zeros(2, 3, requires_grad=True)
    targets = torch.full((2, 3), 0.6)
    learned = torch.tensor([[False, True, False], [False, False, False]])
    head.loss(predicted, targets, learned)["loss_mask_iou"].backward()
    assert predicted.grad.nonzero().tolist() == [[0, 1]]


@pytest.mark.parametrize("count", [0, 3])
def test_without_a_sample_the_loss_is_zero_and_reaches_every_parameter(count: int) -> None:
    head = small_head()
    predicted = run(head, torch.randn(count, 8, 14, 14), torch.randn(count, 28, 28))
    nothing = torch.zeros(count, 3)
    loss = head.loss(predicted, nothing, nothing.bool())["loss_mask_iou"]
    assert loss.item() == 0
    loss.backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad == 0).all(), name


def test_scores_are_clamped_and_class_scores_untouched() -> None:
    head = small_head()
    scores = torch.tensor([0.9, 0.8, 0.5])
    results = InstanceData(scores=scores.clone(), labels=torch.tensor([0, 1, 2]))
    predicted = torch.tensor([[-0.3, 0.5, 0.5], [0.5, 1.7, 0.5], [0.1, 0.2, 0.6]])
    (scored,) = head.predict_by_feat((predicted,), [results])
    assert torch.equal(scored.scores, scores)
    assert torch.allclose(scored.mask_ious, torch.tensor([0.0, 1.0, 0.6]))
    assert torch.allclose(scored.mask_scores, torch.tensor([0.0, 0.8, 0.3]))


def test_masks_that_do_not_fit_the_features_are_refused() -> None:
    with pytest.raises(SettingError, match=r"masks of side 56 .* output_size"):
        run(small_head(), torch.randn(1, 8, 14, 14), torch.randn(1, 56, 56))


# ---- targets


@pytest.mark.parametrize(
    ("half", "mask_iou_thr", "box_iou_thr", "counted"),
    [
        (False, 0, 0, [True, True, True]),
        (False, 0.6, 0, [True, True, False]),
        (False, 0, 0.6, [True, True, False]),
        (True, 0, 0.6, [True, True, False]),
        (True, 0.3, 0, [True, True, False]),
        (True, 0.45, 0.6, [True, False, False]),
        (True, 0.6, 0, [False, False, False]),
    ],
)
def test_rois_above_both_thresholds_are_learned(
    half: bool, mask_iou_thr: float, box_iou_thr: float, counted: list[bool]
) -> None:
    head = small_head(mask_iou_thr=mask_iou_thr, box_iou_thr=box_iou_thr)
    mask = np.zeros((1, 96, 128), np.uint8)
    mask[0, 20:60, 20:60] = 1
    truth = InstanceData(labels=torch.tensor([1]), masks=BitmapMasks(mask, 96, 128))
    box = torch.tensor([[20.0, 20.0, 60.0, 60.0]])
    sampled = InstanceData(
        pos_priors=torch.tensor([[20.0, 20.0, 20.0 + side, 60.0] for side in (40, 30, 22)]),
        pos_gt_bboxes=box.repeat(3, 1),
        pos_gt_labels=truth.labels.repeat(3),
        pos_assigned_gt_inds=torch.zeros(3, dtype=torch.int64),
    )
    preds = torch.full((3, 3, 28, 28), 9.0)  # mask and box IoUs are 1, 0.75 and 0.55
    if half:
        preds[..., 14:] = -9.0  # the mask IoUs are half of that
    targets, learned = head.get_targets(preds, [sampled], [truth], mask_thr=0.5)
    ious = torch.tensor([1, 0.75, 0.55]) / (2 if half else 1)
    torch.testing.assert_close(targets[:, 1], ious, atol=0.02, rtol=0)
    assert learned.tolist() == [[False, value, False] for value in counted]


@pytest.mark.parametrize("learns", ["target_class", "all_classes", "positive_classes"])
def test_targets_of_a_batch_are_those_of_each_image(learns: str) -> None:
    head = small_head(learns=learns)
    random = np.random.default_rng(0)
    truths, sampled = [], []
    for count, instances, (height, width) in ((4, 3, (40, 60)), (0, 0, (9, 9)), (5, 2, (90, 30))):
        corners = np.sort(random.uniform(-0.1, 1.1, (instances, 2, 2)), axis=1) * (width, height)
        boxes = torch.from_numpy(corners.reshape(-1, 4)).float()
        masks = BitmapMasks(random.random((instances, height, width)) < 0.6, height, width)
        labels = torch.arange(instances) % 3
        truths.append(InstanceData(labels=labels, masks=masks))
        inds = torch.arange(count) % max(instances, 1)
        sampled.append(
            InstanceData(
                pos_priors=boxes[inds],
                pos_gt_bboxes=boxes[inds],
                pos_gt_labels=labels[inds],
                pos_assigned_gt_inds=inds,
            )
        )
    preds = torch.from_numpy(random.normal(size=(9, 3, 28, 28))).float()
    together = head.get_targets(preds, sampled, truths, 0.5)
    images = zip(preds.split([4, 0, 5]), sampled, truths, strict=True)
    alone = [head.get_targets(some, [one], [truth], 0.5) for some, one, truth in images]
    for batch, parts in zip(together, zip(*alone, strict=True), strict=True):
        assert torch.equal(batch, torch.cat(parts))
    assert together[0].gt(0).sum() > 5


# ---- inputs (the paper's figure 4)


def first_layer_input(head: MaskIoUHead, *inputs: torch.Tensor) -> torch.Tensor:
    """Returns the input of the first convolution."""
    seen = []
    head.convs[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    head(*inputs)
    return seen[0]


@pytest.mark.parametrize(
    ("mask_input", "channels"), [("target_concat", 9), ("target_multiply", 8), ("all_concat", 11)]
)
def test_inputs_of_the_head(mask_input: str, channels: int) -> None:
    head = small_head(mask_input=mask_input)
    features, labels = torch.randn(2, 8, 14, 14), torch.tensor([2, 0])
    preds = torch.randn(2, 3, 28, 28)
    seen = first_layer_input(head, features, preds, labels)
    assert head.convs[0].weight.shape == (8, channels, 3, 3)
    # by hand: the maximum of each 2 x 2 probabilities
    pooled = preds.sigmoid().view(2, 3, 14, 2, 14, 2).amax(dim=(3, 5))
    target = torch.stack([pooled[0, 2], pooled[1, 0]])[:, None]
    by_hand = {
        "target_concat": torch.cat((features, target), dim=1),
        "target_multiply": features * target,
        "all_concat": torch.cat((features, pooled), dim=1),
    }
    assert torch.allclose(seen, by_hand[mask_input])


@pytest.mark.parametrize("mask_input", ["target_concat", "target_multiply", "all_concat"])
def test_gradients_reach_the_masks_that_are_seen(mask_input: str) -> None:
    head = small_head(mask_input=mask_input)
    preds = torch.randn(1, 3, 28, 28, requires_grad=True)
    head(torch.randn(1, 8, 14, 14), preds, torch.tensor([1])).sum().backward()
    reached = preds.grad[0].abs().sum(dim=(1, 2)) > 0
    assert reached.tolist() == ([True] * 3 if mask_input == "all_concat" else [False, True, False])


def test_full_size_masks_beside_features_of_high_resolution() -> None:
    head = small_head(roi_feat_size=28, conv_strides=(2, 1, 1, 2))
    features, preds = torch.randn(2, 8, 28, 28), torch.randn(2, 3, 28, 28)
    labels = torch.tensor([1, 2])
    seen = first_layer_input(head, features, preds, labels)
    assert torch.equal(seen[:, 8], preds[[0, 1], labels].sigmoid())  # not pooled
    assert head.fcs[0].in_features == small_head().fcs[0].in_features == 8 * 7 * 7


def test_a_setting_changes_only_its_own_layers() -> None:
    def shapes(**settings) -> dict:
        return {name: value.shape for name, value in small_head(**settings).state_dict().items()}

    plain = shapes()
    for settings, changed in (
        (dict(mask_input="target_multiply"), {"convs.0.weight"}),
        (dict(mask_input="all_concat"), {"convs.0.weight"}),
        (dict(roi_feat_size=28, conv_strides=(2, 1, 1, 2)), set()),
        (dict(learns="all_classes"), set()),
        (dict(learns="positive_classes"), set()),
        (dict(mask_iou_thr=0.5, box_iou_thr=0.6), set()),
    ):
        other = shapes(**settings)
        assert other.keys() == plain.keys()
        assert {name for name in plain if other[name] != plain[name]} == changed, settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(mask_input="add"), "'add' must be one of target_concat, target_multiply, all_concat"),
        (dict(learns="all"), "'all' must be one of target_class, all_classes, positive_classes"),
        (dict(mask_iou_thr=1.0), r"mask_iou_thr=1.0 must be a number in \[0, 1\)"),
        (dict(box_iou_thr=-0.1), r"box_iou_thr=-0.1 must be a number in \[0, 1\)"),
        (dict(class_agnostic=True, learns="all_classes"), "set class_agnostic=False"),
        (dict(mask_iou_thr="0.5"), r"mask_iou_thr='0.5' must be a number in \[0, 1\)"),
        (dict(conv_strides=(1, 2)), r"conv_strides=\(1, 2\) must be 4 integers >= 1"),
        (dict(conv_strides=(0, 1, 1, 2)), r"conv_strides=\(0, 1, 1, 2\) must be 4 integers"),
        (dict(conv_strides=2), "conv_strides=2 must be 4 integers >= 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        small_head(**settings)


def test_features_of_another_side_than_set_are_refused() -> None:
    with pytest.raises(SettingError, match="features have side 28: set roi_feat_size=28"):
        run(small_head(), torch.randn(1, 8, 28, 28), torch.randn(1, 28, 28))


def test_all_masks_cannot_come_from_a_class_agnostic_mask_head() -> None:
    head = small_head(mask_input="all_concat")
    with pytest.raises(SettingError, match="needs 3 masks, one per class, not 1"):
        head(torch.randn(1, 8, 14, 14), torch.randn(1, 1, 28, 28), torch.tensor([0]))
