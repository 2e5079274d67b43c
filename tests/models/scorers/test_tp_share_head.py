"""Tests of the scorer that predicts TP shares from numbers of the mask."""

import pytest
import torch
from torch import Tensor

from msrcnn_mm.errors import SettingError
from msrcnn_mm.models.scorers.seen_detections import GEOMETRY, SeenDetections
from msrcnn_mm.models.scorers.tp_share_head import (
    NUMBERS,
    RunningStandardisation,
    TPShareHead,
    mask_numbers,
)

CLASSES = 3


def detections(patches: Tensor, seed: int = 0) -> SeenDetections:
    """Returns detections with these masks, whose other numbers say nothing of them."""
    generator = torch.Generator().manual_seed(seed)
    many = len(patches)
    return SeenDetections(
        features=patches.new_zeros(many, 0, 0, 0),
        patches=patches,
        scores=torch.rand(many, generator=generator),
        labels=torch.randint(0, CLASSES, (many,), generator=generator),
        geometry=torch.randn(many, GEOMETRY, generator=generator),
    )


def random_detections(many: int, seed: int = 0) -> SeenDetections:
    generator = torch.Generator().manual_seed(seed)
    return detections(torch.rand(many, 28, 28, generator=generator), seed)


def disks(many: int, seed: int) -> tuple[SeenDetections, Tensor]:
    """Returns disks, and which of them have a steep outline."""
    generator = torch.Generator().manual_seed(seed)
    steep = torch.rand(many, generator=generator) < 0.5
    radii = 0.4 + 0.5 * torch.rand(many, generator=generator)[:, None, None]
    sides = torch.linspace(-1, 1, 28)
    distances = (sides[:, None] ** 2 + sides**2).sqrt()
    slopes = torch.where(steep, 20, 8)[:, None, None]
    return detections((slopes * (radii - distances)).sigmoid(), seed), steep


def head_of(seed: int = 0) -> TPShareHead:
    torch.manual_seed(seed)
    head = TPShareHead(CLASSES)
    head.init_weights()
    return head


def trained(steps: int, seen: SeenDetections, targets: Tensor) -> TPShareHead:
    head = head_of().train()
    optimizer = torch.optim.AdamW(head.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        head.quality_loss(seen, targets)["loss_tp_share"].backward()
        optimizer.step()
    return head.eval()


def share_of_ordered_pairs(scores: Tensor, good: Tensor) -> float:
    return (scores[good][:, None] > scores[~good]).float().mean().item()


@pytest.mark.parametrize("many", [0, 1, 5])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, None])
def test_numbers_are_finite(many: int, value: float | None) -> None:
    seen = random_detections(many)
    if value is not None:
        seen.patches.fill_(value)
    numbers = mask_numbers(seen)
    assert numbers.shape == (many, NUMBERS - 1)  # the class score is the other
    assert numbers.dtype == torch.float32 and numbers.isfinite().all()
    head = head_of().train()
    head.quality_loss(seen, torch.full((many,), 0.5))
    seen.scores[:1], seen.scores[1:2] = 0, 1
    quality = head.eval().quality(seen)
    assert quality.shape == (many,) and quality.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    seen = random_detections(4)
    half = SeenDetections(**{**vars(seen), "patches": seen.patches.to(dtype)})
    full = SeenDetections(**{**vars(seen), "patches": half.patches.float()})
    assert torch.equal(mask_numbers(half), mask_numbers(full))
    head = head_of().train()
    with torch.autocast("cpu", dtype):
        loss = head.quality_loss(half, torch.rand(4))["loss_tp_share"]
    assert loss.dtype == torch.float32
    loss.backward()
    assert head.out.weight.grad.any()


def test_the_first_scores_are_the_class_scores() -> None:
    seen = random_detections(50)
    torch.testing.assert_close(
        head_of().eval().quality(seen), seen.scores.clamp(1e-4, 1 - 1e-4), rtol=0, atol=1e-6
    )


def test_a_rule_of_the_masks_alone_is_learned() -> None:
    seen, steep = disks(60, seed=0)
    head = trained(60, seen, steep.float())
    unseen, steep = disks(200, seed=1)
    assert share_of_ordered_pairs(unseen.scores, steep) < 0.6
    with torch.no_grad():
        assert share_of_ordered_pairs(head.quality(unseen), steep) > 0.95


def test_a_rule_of_classes_is_learned_and_other_classes_are_scored() -> None:
    seen = random_detections(30)
    head = trained(60, seen, (seen.labels == CLASSES - 1).float())
    first = random_detections(1)
    parts = []
    for label in (0, CLASSES - 1, CLASSES, 1000):
        parts.append(SeenDetections(**{**vars(first), "labels": torch.tensor([label])}))
    with torch.no_grad():
        low, high, unknown, another = head.quality(SeenDetections.concatenate(parts)).tolist()
    assert low < unknown < high
    assert unknown == another


def test_without_detections_gradients_are_zero() -> None:
    head = head_of().train()
    loss = head.quality_loss(random_detections(0), torch.zeros(0))["loss_tp_share"]
    loss.backward()
    assert loss == 0
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name


def test_detections_that_do_not_count_change_no_loss() -> None:
    head = head_of().eval()
    seen, more = random_detections(6), random_detections(3, seed=1)
    targets = torch.rand(6)
    expected = head.quality_loss(seen, targets)["loss_tp_share"]
    both = SeenDetections.concatenate([seen, more])
    uncounted = torch.cat((targets, torch.full((3,), torch.nan)))
    torch.testing.assert_close(head.quality_loss(both, uncounted)["loss_tp_share"], expected)


def test_training_sees_what_the_test_sees() -> None:
    standardise = RunningStandardisation(4)
    x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
    for _ in range(500):
        in_training = standardise.train()(x)
        assert torch.equal(standardise.eval()(x), in_training)
    torch.testing.assert_close(
        in_training, ((x - x.mean(0)) / x.std(0)).clamp(-5, 5), rtol=0, atol=1e-2
    )
    assert standardise(x * 1000).abs().max() == 5


def test_statistics_move_in_training_alone_and_by_two_detections_or_more() -> None:
    standardise = RunningStandardisation(4)
    x = torch.randn(10, 4, generator=torch.Generator().manual_seed(0)) + 3
    standardise.eval()(x)
    standardise.train()(x[:1])
    assert standardise(x[:0]).shape == (0, 4)
    assert not standardise.running_mean.any() and (standardise.running_var == 1).all()
    standardise(x)
    torch.testing.assert_close(standardise.running_mean, 0.02 * x.mean(0))
    torch.testing.assert_close(standardise.running_var, 0.98 + 0.02 * x.var(0))


def test_a_checkpoint_holds_the_statistics() -> None:
    seen = random_detections(20)
    head = trained(3, seen, torch.rand(20))
    again = TPShareHead(CLASSES)
    again.load_state_dict(head.state_dict())
    with torch.no_grad():
        assert torch.equal(again.eval().quality(seen), head.quality(seen))


@pytest.mark.parametrize("setting", ["num_classes", "fc_out_channels"])
def test_a_wrong_setting_is_refused(setting: str) -> None:
    with pytest.raises(SettingError, match=f"TPShareHead: {setting}"):
        TPShareHead(**{setting: 0})
