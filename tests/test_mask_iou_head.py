"""The head's shapes, cost, loss and scores, against the paper, MMDetection and hand counts."""

import pytest
import torch
from mmdet.models.roi_heads.mask_heads.maskiou_head import MaskIoUHead as BuiltInMaskIoUHead
from mmengine.structures import InstanceData
from torch import nn

from msrcnn_mm import MaskIoUHead


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
    assert torch.allclose(ours(features, logits), theirs(features, logits), atol=1e-6)


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
    head(torch.zeros(1, 256, 14, 14), torch.zeros(1, 28, 28))
    assert round(macs / 1e9, 2) == 0.39  # section 4.5


@pytest.mark.parametrize("side", [7, 14, 15])
@pytest.mark.parametrize(("convs", "fcs"), [(4, 2), (1, 1), (0, 1), (2, 0)])
def test_widths_and_depths_are_config(side: int, convs: int, fcs: int) -> None:
    head = small_head(num_convs=convs, num_fcs=fcs, roi_feat_size=side)
    predicted = head(torch.randn(5, 8, side, side), torch.randn(5, 2 * side, 2 * side))
    assert predicted.shape == (5, 3)


def test_class_agnostic_has_one_output() -> None:
    head = small_head(class_agnostic=True)
    predicted = head(torch.randn(4, 8, 14, 14), torch.randn(4, 28, 28))
    assert predicted.shape == (4, 1)
    labels = torch.tensor([0, 2, 1, 2])
    assert torch.equal(head.of_class(predicted, labels), predicted[:, 0])


@pytest.mark.parametrize("detach", [False, True])
def test_gradient_into_the_mask_branch_is_config(detach: bool) -> None:
    head = small_head(detach_mask=detach)
    features = torch.randn(3, 8, 14, 14, requires_grad=True)
    logits = torch.randn(3, 28, 28, requires_grad=True)
    head(features, logits).sum().backward()
    assert features.grad.abs().sum() > 0
    if detach:
        assert logits.grad is None
    else:
        assert logits.grad.abs().sum() > 0


def test_loss_is_half_the_squared_error_over_targets_above_zero() -> None:
    head = small_head()
    predicted = torch.tensor([[0.5, 9.0, 9.0], [9.0, 0.2, 9.0], [9.0, 9.0, 0.9]])
    labels = torch.tensor([0, 1, 2])
    targets = torch.tensor([0.7, 0.0, 0.5])
    loss = head.loss(predicted, labels, targets)["loss_mask_iou"]
    by_hand = 0.5 * (0.2**2 + 0.4**2) / 2
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


def test_an_overflow_where_there_is_no_target_does_no_harm() -> None:
    head = small_head()
    predicted = torch.tensor([[0.5, 0.0, 0.0], [float("inf"), 0.0, 0.0]], requires_grad=True)
    targets = torch.tensor([0.7, 0.0])
    loss = head.loss(predicted, torch.tensor([0, 0]), targets)["loss_mask_iou"]
    loss.backward()
    assert loss.item() == pytest.approx(0.5 * 0.2**2, rel=1e-5)
    assert torch.isfinite(predicted.grad).all()


def test_loss_reaches_only_the_target_class() -> None:
    head = small_head()
    predicted = torch.zeros(2, 3, requires_grad=True)
    loss = head.loss(predicted, torch.tensor([1, 2]), torch.tensor([0.6, 0.0]))
    loss["loss_mask_iou"].backward()
    assert predicted.grad.nonzero().tolist() == [[0, 1]]


@pytest.mark.parametrize("count", [0, 3])
def test_without_a_sample_the_loss_is_zero_and_reaches_every_parameter(count: int) -> None:
    head = small_head()
    predicted = head(torch.randn(count, 8, 14, 14), torch.randn(count, 28, 28))
    labels = torch.zeros(count, dtype=torch.int64)
    loss = head.loss(predicted, labels, torch.zeros(count))["loss_mask_iou"]
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
    with pytest.raises(ValueError, match="output_size"):
        small_head()(torch.randn(1, 8, 14, 14), torch.randn(1, 56, 56))
