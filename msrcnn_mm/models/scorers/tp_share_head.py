"""A scorer that predicts the TP share of a host's detections.

Shape shorthand: D detections, S side of the features, M side of the mask patches.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - PyTorch's own idiom
from mmdet.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..settings import require_integer
from .mask_scorer import MaskScorer
from .seen_detections import GEOMETRY, SeenDetections

_PATCH = 28
_SIDE = 7  # of the features, and of the mask after two convolutions of stride 2


@MODELS.register_module()
class TPShareHead(MaskScorer):
    """Predicts the TP share from the mask's probabilities, the features and the class score.

    Two convolutions of stride 2 take the (28, 28) probabilities and their entropy to the side of
    the features, (7, 7); two more read both. Their means, the geometry of the box and the logit of
    the class score go through two fully connected layers. The output is added to that logit, so the
    network starts from the class score's order.

    Its prediction is a score by itself, an expected TP share, as a re-scorer's is: results gain
    ``rescored_scores``.

    Args:
        in_channels: channels of the host's features.
        channels: of the convolutions.
        fc_out_channels: outputs of the hidden fully connected layer.
        num_classes: C, each of which has a bias.
        init_cfg: how the weights are initialised. By default as torch does.

    Raises:
        SettingError: if a setting is not a positive integer.
    """

    patch_side = _PATCH
    roi_feat_size = _SIDE

    def __init__(
        self,
        in_channels: int = 256,
        channels: int = 64,
        fc_out_channels: int = 128,
        num_classes: int = 80,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        for name, value in (
            ("in_channels", in_channels),
            ("channels", channels),
            ("fc_out_channels", fc_out_channels),
            ("num_classes", num_classes),
        ):
            require_integer(f"TPShareHead: {name}", value, least=1)
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.mask_convs = nn.Sequential(
            nn.Conv2d(2, channels // 2, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.reduce = nn.Conv2d(in_channels, channels, 1)
        self.convs = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.class_bias = nn.Embedding(num_classes, 1)
        self.hidden = nn.Linear(channels + GEOMETRY + 3, fc_out_channels)
        self.out = nn.Linear(fc_out_channels, 1)
        nn.init.zeros_(self.class_bias.weight)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

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
        return {"loss_mask_iou": mean}

    def add_scores(self, results: InstanceData, quality: Tensor) -> None:
        """Adds ``rescored_scores``, the (D,) predicted TP shares."""
        results.rescored_scores = quality.float()

    def _logits(self, seen: SeenDetections) -> Tensor:
        self.require_channels(seen.features.size(1))
        p = seen.patches.float()
        entropy = torch.special.entr(p) + torch.special.entr(1 - p)
        masks = self.mask_convs(torch.stack((p, entropy), dim=1))
        x = self.convs(torch.cat((self.reduce(seen.features.float()), masks), dim=1))
        score = seen.scores.float().logit(eps=1e-4)[:, None]
        foreground = (p >= 0.5).float()
        area = foreground.sum(dim=(1, 2))
        certain = (p * foreground).sum(dim=(1, 2)) / area.clamp(min=1)
        unsure = entropy.sum(dim=(1, 2)) / area.clamp(min=1)
        numbers = torch.cat((score, certain[:, None], unsure[:, None], seen.geometry), dim=1)
        hidden = self.hidden(torch.cat((x.mean(dim=(2, 3)), numbers), dim=1)).relu()
        return (score + self.out(hidden) + self.class_bias(seen.labels))[:, 0]
