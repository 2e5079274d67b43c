"""Tests of YOLACT++'s host: what it adds to MMDetection's YOLACT and what it does not change."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.support import tiny, tiny_yolact
from tests.support.tiny_yolact import ellipses, losses, predictions

SHAPE = (288, 256)


def build(**mask_iou_head: Any) -> nn.Module:
    config = tiny_yolact.tiny_config()
    config.model.mask_head.mask_iou_head.update(mask_iou_head)
    return tiny.build(config)


@pytest.fixture
def model() -> nn.Module:
    return build()


def test_training_step(model: nn.Module) -> None:
    found = losses(model, ellipses([SHAPE] * 2, [4, 3]))
    sum(found.values()).backward()
    assert found["loss_mask_iou"] > 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    for name, parameter in model.mask_head.mask_iou_head.named_parameters():
        assert parameter.grad.any(), name


def cropped(mask: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Sets a mask to 0 more than one cell outside its box, given in cells."""
    out = np.zeros_like(mask)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            inside_x = max(box[0] - 1, 0) <= x < min(box[2] + 1, mask.shape[1])
            inside_y = max(box[1] - 1, 0) <= y < min(box[3] + 1, mask.shape[0])
            out[y, x] = mask[y, x] if inside_x and inside_y else 0
    return out


def spy(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Records the inputs and outputs of the mask head and the inputs of the scorer's loss."""
    seen: dict[str, Any] = {}
    host, scorer = model.mask_head, model.mask_head.mask_iou_head
    forward, loss = host.forward, scorer.loss

    def noting(x: Any, infos: Any) -> Any:
        seen["infos"], seen["masks_made"] = infos, forward(x, infos)
        return seen["masks_made"]

    def noting_loss(*args: Any) -> Any:
        seen["loss"] = args
        return loss(*args)

    monkeypatch.setattr(host, "forward", noting)
    monkeypatch.setattr(scorer, "loss", noting_loss)
    return seen


def test_what_the_scorer_learns_from(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = spy(model, monkeypatch)
    batch = ellipses([SHAPE] * 2, [4, 3])
    losses(model, batch)
    masks, gt_masks, labels, num_positives = seen["loss"]
    assert len(masks) == num_positives == sum(len(infos) for infos in seen["infos"]) > 20
    of_image = [(i, j) for i, infos in enumerate(seen["infos"]) for j in range(len(infos))]
    for k, (i, j) in list(enumerate(of_image))[::7]:
        gt = batch["data_samples"][i].gt_instances
        instance = seen["infos"][i].pos_assigned_gt_inds[j]
        assert labels[k] == gt.labels[instance]
        # cropped to the ground-truth box, in cells of four pixels
        made = seen["masks_made"][0][i][..., j].detach().numpy()
        expected = cropped(made, gt.bboxes[instance].numpy() / 4)
        np.testing.assert_allclose(masks[k].detach().numpy(), expected, atol=1e-6)
        # the whole instance: cells with more than half of their four middle pixels
        whole = gt.masks.masks[int(instance)].reshape(72, 4, 64, 4)[:, 1:3, :, 1:3]
        assert np.array_equal(gt_masks[k].numpy(), whole.mean(axis=(1, 3)) > 0.5)


def test_the_mask_head_makes_no_more_masks_than_it_trains_on(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = ellipses([SHAPE] * 2, [4, 3])
    seen = spy(model, monkeypatch)
    losses(model, batch)
    positives = seen["loss"][3]
    model.mask_head.max_masks_to_train = 5
    losses(model, batch)
    assert [made.shape[-1] for made in seen["masks_made"][0]] == [5, 5]
    # the loss is over all positives, as the authors' is
    assert len(seen["loss"][0]) == 10 and seen["loss"][3] == positives


@pytest.mark.parametrize("detach", [False, True])
def test_the_scorers_gradient_reaches_the_prototypes_unless_detached(detach: bool) -> None:
    model = build(detach_mask=detach)
    losses(model, ellipses([SHAPE], [4]))["loss_mask_iou"].backward()
    reached = [p.grad for p in model.mask_head.protonet.parameters()]
    reached += [model.bbox_head.conv_coeff.weight.grad]
    assert all(g is None if detach else g.any() for g in reached)


@pytest.mark.parametrize(
    ("counts", "radii", "learns"),
    [
        ([0, 0], (15, 40), False),
        ([0, 3], (15, 40), True),
        ([3, 2], (4, 8), False),  # at most 25 cells of 4 x 4 pixels each
    ],
    ids=["no instances", "none in one image", "all too small"],
)
def test_trains_where_there_is_little_to_learn_from(
    model: nn.Module, counts: list[int], radii: tuple[int, int], learns: bool
) -> None:
    found = losses(model, ellipses([SHAPE] * 2, counts, radii))
    assert all(loss.isfinite() for loss in found.values())
    assert (found["loss_mask_iou"] > 0) == learns
    sum(found.values()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_predictions(model: nn.Module) -> None:
    (found,) = predictions(model, ellipses([SHAPE], [3]))
    assert torch.equal(found.mask_scores, found.scores * found.mask_ious)
    assert ((found.mask_ious > 0) & (found.mask_ious <= 1)).all()
    assert ((found.foreground_probs >= 0.5) | (found.foreground_probs == 0)).all()
    assert found.masks.shape == (10, 144, 128) and found.masks.dtype == torch.bool


def test_the_mask_of_the_predicted_box_and_class_is_scored(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, seen = model.mask_head.mask_iou_head, []
    model.bbox_head.test_cfg.top_k = 4  # per class, so that there are several classes

    # depends on the mask's area and the class
    def predict(masks: torch.Tensor) -> torch.Tensor:
        seen.append(masks)
        return masks.mean(dim=(1, 2))[:, None] / torch.tensor([1.0, 2.0, 4.0])

    monkeypatch.setattr(scorer, "forward", predict)
    results = predictions(model, ellipses([SHAPE] * 2, [3, 3]), rescale=False)
    assert len(torch.cat([r.labels for r in results]).unique()) > 1
    for found, masks in zip(results, seen[0].split([*map(len, results)]), strict=True):
        expected = masks.mean(dim=(1, 2)) / torch.tensor([1.0, 2.0, 4.0])[found.labels]
        torch.testing.assert_close(found.mask_ious, expected)
        for mask, box in zip(masks.numpy(), found.bboxes.numpy(), strict=True):
            np.testing.assert_array_equal(mask, cropped(mask, box / 4))
            assert (mask > 0).any()


def test_boxes_are_rescored_by_config(model: nn.Module) -> None:
    batch = ellipses([SHAPE], [3])
    (before,) = predictions(model, batch)
    (after,) = predictions(build(rescore_boxes=True), batch)
    torch.testing.assert_close(after.scores, before.mask_scores)
    torch.testing.assert_close(after.mask_scores, before.mask_scores)


def test_a_padded_batch_tests_as_its_images_alone(model: nn.Module) -> None:
    batch = ellipses([(288, 256), (192, 320)], [3, 3])
    together = predictions(model, batch)
    for i, found in enumerate(together):
        # the image as padded in the batch, alone
        data = model.data_preprocessor(batch)
        sample = data["data_samples"][i].clone()
        with torch.no_grad():
            (alone,) = model.predict(data["inputs"][i : i + 1], [sample])
        height, width = batch["data_samples"][i].ori_shape
        assert found.masks.shape == (10, height, width)
        assert torch.equal(found.masks, alone.pred_instances.masks)
        for key in ("scores", "mask_ious", "mask_scores", "foreground_probs", "bboxes"):
            # a convolution of two images adds in another order than that of one
            torch.testing.assert_close(found[key], alone.pred_instances[key], rtol=1e-4, atol=1e-4)
        # the mask lies in its box; MMDetection's mask head would stretch it
        for mask, box in zip(found.masks, found.bboxes, strict=True):
            ys, xs = mask.nonzero().T
            if len(ys):
                assert xs.min() >= box[0] - 5 and xs.max() <= box[2] + 5
                assert ys.min() >= box[1] - 5 and ys.max() <= box[3] + 5


@pytest.mark.parametrize("empty", ["both", "one", "none"])
def test_an_empty_detection_list_tests(model: nn.Module, empty: str) -> None:
    batch = ellipses([(288, 256), (192, 320)], [0, 2])
    best = [found.scores.max().item() for found in predictions(model, batch)]
    thresholds = {"both": 1.1, "one": sum(best) / 2, "none": 0.0}
    model.bbox_head.test_cfg.score_thr = thresholds[empty]
    results = predictions(model, batch)
    counts = [len(found) for found in results]
    assert sum(count == 0 for count in counts) == {"both": 2, "one": 1, "none": 0}[empty]
    shapes = [(144, 128), (96, 160)]
    for found, count, shape in zip(results, counts, shapes, strict=True):
        assert found.masks.shape == (count, *shape) and found.masks.dtype == torch.bool
        for key in ("mask_ious", "mask_scores", "foreground_probs", "scores"):
            assert found[key].shape == (count,), key


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_tests_with_automatic_mixed_precision(model: nn.Module, dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype):
        (results,) = predictions(model, ellipses([SHAPE], [4]))
    assert results.mask_ious.dtype == results.foreground_probs.dtype == torch.float32
    assert len(results) == 10
