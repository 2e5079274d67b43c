"""A scorer that predicts the TP share of a host's detections from numbers of the mask.

Shape shorthand: D detections, M side of the mask patches.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.registry import MODELS
from mmengine.dist import all_reduce
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..settings import require_integer
from .box_cells import map_cells
from .mask_outline import OUTLINE, mask_outline
from .mask_scorer import MaskScorer
from .mask_statistics import NAMES, mask_statistics
from .maskness import mean_over_foreground
from .seen_detections import GEOMETRY, SeenDetections

_MOMENTUM = 0.02  # share of a batch in the running statistics
_EPS = 1e-5

NUMBERS = 2 + len(NAMES) + OUTLINE + GEOMETRY


@MODELS.register_module()
class TPShareHead(MaskScorer):
    """Predicts the TP share from the class score and from numbers of the mask and its box.

    It reads no features and no pixels, which recover less of the quality gap on the demo
    (docs/better_head.md). The numbers are the logit of the class score, the mean foreground
    probability, the mask's statistics and outline, and the geometry of the box and its overlaps.
    Standardised, they go through two fully connected layers. The output is added to that logit, so
    the network starts from the class score's order.

    Its prediction is a score by itself, an expected TP share, as a re-scorer's is: results gain
    ``rescored_scores``.

    Args:
        num_classes: C.
        fc_out_channels: outputs of both hidden layers.
        init_cfg: how the weights are initialised. By default as torch does.

    Raises:
        SettingError: if a setting is not a positive integer.
    """

    patch_side = 28

    def __init__(
        self,
        num_classes: int = 80,
        fc_out_channels: int = 128,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        for name, value in (("num_classes", num_classes), ("fc_out_channels", fc_out_channels)):
            require_integer(f"TPShareHead: {name}", value, least=1)
        self.num_classes = num_classes
        self.standardise = RunningStandardisation(NUMBERS)
        self.numbers = nn.Linear(NUMBERS, fc_out_channels)
        self.classes = nn.Embedding(num_classes, fc_out_channels)
        self.hidden = nn.Linear(fc_out_channels, fc_out_channels)
        self.out = nn.Linear(fc_out_channels, 1)
        for weight in (self.classes.weight, self.out.weight, self.out.bias):
            nn.init.zeros_(weight)

    def quality(self, seen: SeenDetections) -> Tensor:
        """Predicts (D,) TP shares in [0, 1]."""
        return self._logits(seen).sigmoid()

    def quality_loss(self, seen: SeenDetections, targets: Tensor) -> dict[str, Tensor]:
        """Computes the binary cross-entropy with (D,) TP shares, a mean over those that count."""
        counted = ~targets.isnan()
        losses = F.binary_cross_entropy_with_logits(
            self._logits(seen), targets.nan_to_num(0), reduction="none"
        )
        mean = torch.where(counted, losses, 0).sum() / counted.sum().clamp(min=1)
        return {"loss_tp_share": mean}

    def add_scores(self, results: InstanceData, quality: Tensor) -> None:
        """Adds ``rescored_scores``, the (D,) predicted TP shares."""
        results.rescored_scores = quality.float()

    def _logits(self, seen: SeenDetections) -> Tensor:
        score = seen.scores.float().logit(eps=1e-4)
        numbers = self.standardise(torch.cat((score[:, None], mask_numbers(seen)), dim=1))
        last = self.num_classes - 1  # a host may have classes that the scorer has not
        classes = self.classes(seen.labels.clamp(max=last))
        of_class = torch.where(seen.labels[:, None] <= last, classes, 0)
        hidden = (self.numbers(numbers) + of_class).relu()
        return score + self.out(self.hidden(hidden).relu())[:, 0]


def mask_numbers(seen: SeenDetections) -> Tensor:
    """Returns the (D, n) numbers of the masks and their boxes that the head reads."""
    p = seen.patches.float()
    foreground = p >= 0.5
    statistics = mask_statistics(p.flatten(), foreground.flatten(), map_cells(p))
    certain = mean_over_foreground(p, foreground)[:, None]
    return torch.cat((certain, statistics, mask_outline(p), seen.geometry.float()), dim=1)


class RunningStandardisation(nn.Module):
    """Standardises columns by running means and variances, in training as at test.

    A batch has few detections, and batch normalisation would see others in training than at test.
    Values are limited to 5 standard deviations. In a distributed training the processes' statistics
    are averaged in each step, so every process has the same.

    Args:
        columns: of the input.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        # no BatchNorm1d: sync_bn would replace it by one whose processes all need detections
        self.register_buffer("running_mean", torch.zeros(columns))
        self.register_buffer("running_var", torch.ones(columns))

    def forward(self, x: Tensor) -> Tensor:
        """Standardises (D, columns); in training takes them into the running statistics.

        A training batch of one detection or none changes no statistics, but its process takes part
        in the average.
        """
        if self.training:
            self._take_in(x.detach())
        return ((x - self.running_mean) / (self.running_var + _EPS).sqrt()).clamp(-5, 5)

    def _take_in(self, x: Tensor) -> None:
        averages = torch.stack((self.running_mean, self.running_var))
        if len(x) > 1:
            averages.lerp_(torch.stack((x.mean(dim=0), x.var(dim=0))), _MOMENTUM)
        all_reduce(averages, "mean")
        self.running_mean.copy_(averages[0])
        self.running_var.copy_(averages[1])
