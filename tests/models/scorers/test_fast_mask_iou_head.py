"""Tests of the scorer of YOLACT++ against plain loops and sums by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from msrcnn_mm import FastMaskIoUHead
from msrcnn_mm.errors import SettingError
from msrcnn_mm.models.targets.mask_iou_targets import whole_mask_ious


def head(**settings: Any) -> FastMaskIoUHead:
    torch.manual_seed(0)
    built = FastMaskIoUHead(**settings)
    built.init_weights()
    return built


def constant_head(values: list[float], **settings: Any) -> FastMaskIoUHead:
    """Builds a head that predicts the given mask IoU of each class for every mask."""
    built = head(num_classes=len(values), **settings)
    for conv in built.convs:
        torch.nn.init.zeros_(conv.weight)
    built.convs[5].bias.data = torch.tensor(values)
    return built


def squares(sides: list[int], size: int = 64) -> Tensor:
    masks = torch.zeros(len(sides), size, size)
    for mask, side in zip(masks, sides, strict=True):
        mask[:side, :side] = 1
    return masks


def loops(built: FastMaskIoUHead, mask: np.ndarray) -> np.ndarray:
    """Computes the outputs for one mask, one output pixel after the other."""
    x = mask[None].astype(np.float64)
    for conv in built.convs:
        weight, bias = (p.detach().double().numpy() for p in (conv.weight, conv.bias))
        side, step = weight.shape[-1], 2 if weight.shape[-1] == 3 else 1
        rows, columns = ((length - side) // step + 1 for length in x.shape[1:])
        out = np.zeros((len(weight), rows, columns))
        for i in range(rows):
            for j in range(columns):
                seen = x[:, i * step : i * step + side, j * step : j * step + side]
                out[:, i, j] = np.maximum((weight * seen).sum(axis=(1, 2, 3)) + bias, 0)
        x = out
    return x.max(axis=(1, 2))


def test_it_has_the_papers_number_of_parameters() -> None:
    assert sum(p.numel() for p in FastMaskIoUHead().parameters()) == 108_560


@pytest.mark.parametrize("size", [(138, 138), (70, 101), (24, 32)])
def test_it_is_six_convolutions_a_relu_after_each_and_a_maximum(size: tuple[int, int]) -> None:
    built = head(num_classes=3)
    for conv in built.convs:
        torch.nn.init.uniform_(conv.bias, 0, 0.2)
    mask = np.random.default_rng(0).random(size)
    # sides that are too short are padded with 0
    filled = np.zeros(np.maximum(size, 63))
    filled[: size[0], : size[1]] = mask
    found = built(torch.from_numpy(mask)[None].float())
    expected = loops(built, filled)
    assert expected.max() > 0.1
    np.testing.assert_allclose(found.detach().numpy()[0], expected, atol=1e-6)


def test_every_output_starts_above_zero() -> None:
    """An output below 0 on every mask would get no gradient."""
    assert head(num_classes=80)(squares([0, 10, 60])).min() > 0.2


def test_targets_are_ious_counted_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    masks, whole = rng.random((5, 7, 9)), rng.random((5, 7, 9)) > 0.6
    masks[3] = 0.5  # not above 0.5: an empty mask
    masks[4], whole[4] = 0, False  # both empty
    expected = []
    for mask, instance in zip(masks, whole, strict=True):
        both = sum(m > 0.5 and w for m, w in zip(mask.flat, instance.flat, strict=True))
        either = sum(m > 0.5 or w for m, w in zip(mask.flat, instance.flat, strict=True))
        expected.append(both / either if either else 0)
    found = whole_mask_ious(torch.from_numpy(masks), torch.from_numpy(whole).float())
    assert min(expected[:3]) > 0
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_loss_by_hand() -> None:
    built = constant_head([0.5, 2.0])
    masks, whole = squares([8, 12, 4]), squares([8, 6, 8])
    # true IoUs: 1, 36 / 144 = 0.25, 16 / 64 = 0.25; smooth L1 is squared / 2 below 1, linear above
    expected = 0.5 * 0.5**2 + (1.75 - 0.5) + 0.5 * 0.25**2
    loss = built.loss(masks, whole, torch.tensor([0, 1, 0]), num_positives=10)
    torch.testing.assert_close(loss, {"loss_mask_iou": torch.tensor(25 * expected / 10)})


def test_instances_of_25_pixels_are_left_out() -> None:
    masks = squares([8, 8, 8])
    whole = squares([5, 8, 0])
    whole[1, 5:], whole[1, :, 5:] = 0, 0
    whole[1, 20, 20] = 1  # 26 pixels
    loss = constant_head([0.5]).loss(masks, whole, torch.zeros(3, dtype=torch.long), 1)
    assert loss["loss_mask_iou"].item() == pytest.approx(25 * 0.5 * (0.5 - 25 / 65) ** 2, rel=1e-5)
    loss = constant_head([0.5], discard_area=26).loss(
        masks, whole, torch.zeros(3, dtype=torch.long), 1
    )
    assert loss["loss_mask_iou"].item() == 0


@pytest.mark.parametrize("sides", [[], [3, 5]])
def test_a_batch_with_nothing_to_learn_from_reaches_every_parameter(sides: list[int]) -> None:
    built = head(num_classes=2)
    masks = squares(sides).requires_grad_()
    labels = torch.zeros(len(sides), dtype=torch.long)
    loss = built.loss(masks, squares(sides), labels, 0)["loss_mask_iou"]
    loss.backward()
    assert loss.item() == 0
    for parameter in built.parameters():
        assert parameter.grad is not None and not parameter.grad.any()


def test_max_masks_to_train_limits_the_masks_and_prefers_learned_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built = head(num_classes=1, max_masks_to_train=3)
    seen: list[int] = []
    forward = built.forward
    monkeypatch.setattr(
        built, "forward", lambda masks: seen.extend(masks.sum((1, 2)).tolist()) or forward(masks)
    )
    sides, labels = [4, 9, 3, 10, 5, 11, 12], torch.zeros(7, dtype=torch.long)
    drawn = set()
    for _ in range(30):
        built.loss(squares(sides), squares(sides), labels, 1)
        assert len(seen) == 3 and set(seen) < {81, 100, 121, 144}
        drawn.add(tuple(sorted(seen)))
        seen.clear()
    assert len(drawn) == 4  # any three of them
    built.loss(squares([9, 10]), squares([9, 10]), labels[:2], 1)
    assert sorted(seen) == [81, 100]


@pytest.mark.parametrize("detach", [False, True])
def test_the_gradient_reaches_the_masks_unless_detached(detach: bool) -> None:
    built = head(num_classes=2, detach_mask=detach)
    for conv in built.convs:
        torch.nn.init.constant_(conv.bias, 0.1)
    masks = (squares([20, 30]) * 0.9).requires_grad_()
    built.loss(masks, squares([25, 25]), torch.tensor([0, 1]), 1)["loss_mask_iou"].backward()
    assert all(conv.weight.grad.any() for conv in built.convs)
    assert (masks.grad is None) == detach
    if not detach:
        assert masks.grad.flatten(1).any(dim=1).all()


@pytest.mark.parametrize("rescored", [False, True])
def test_mask_scores_are_class_score_times_mask_iou(rescored: bool) -> None:
    built = head(num_classes=3, rescore_boxes=rescored)
    results = InstanceData(scores=torch.tensor([0.9, 0.5]), labels=torch.tensor([2, 0]))
    predicted = torch.tensor([[0.1, 0.2, 0.5], [1.5, 0.2, 0.3]])
    (found,) = built.predict_by_feat([predicted], [results])
    assert found.mask_ious.tolist() == [0.5, 1.0]
    torch.testing.assert_close(found.mask_scores, torch.tensor([0.45, 0.5]))
    torch.testing.assert_close(found.scores, torch.tensor([0.45 if rescored else 0.9, 0.5]))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dict(discard_area=-1), "discard_area=-1"),
        (dict(discard_area="25"), "discard_area='25'"),
        (dict(max_masks_to_train=0), "max_masks_to_train=0"),
        (dict(max_masks_to_train=True), "max_masks_to_train=True must be an integer >= 1"),
        (dict(discard_area=float("nan")), "discard_area=nan must be an integer >= 0"),
        (dict(num_classes=0), "num_classes=0"),
        (dict(rescore_boxes="no"), "rescore_boxes='no' must be True or False"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        FastMaskIoUHead(**settings)
