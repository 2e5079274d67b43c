"""Scores detections by boosted trees over their features.

Shape shorthand: D detections, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from msrcnn_mm.coco.detections import Column, Detections
from msrcnn_mm.coco.json_values import texts
from msrcnn_mm.errors import UserError, first_names

from ..features.collect import Features, features_of
from ..features.views import View
from .symmetric import Trees, mean_probabilities


@dataclass(frozen=True)
class TreeScore:
    """The mean of several boosted trees: the expected TP share.

    Attributes:
        names: F names of features, in the order of the trees' numbers.
        views: Sorted kinds of the views, see :func:`.views.kinds_of`.
        trees: One for each fold of the images.
    """

    names: list[str]
    views: list[str]
    trees: list[Trees]

    needs_masks: ClassVar[bool] = True

    def scores(self, detections: Detections, views: Sequence[View] = ()) -> Column:
        """Returns (D,) scores in [0, 1] of D >= 1 detections.

        A feature that a detection lacks is taken as lower than any value.

        Args:
            detections: D >= 1 detections with masks.
            views: Results of the same images in other views.

        Raises:
            UserError: See :func:`.collect.features_of`; or no detection has a feature that the
                trees were fitted to.
        """
        return self.of_features(features_of(detections, views))

    def of_features(self, features: Features) -> Column:
        """Returns (D,) scores in [0, 1] of D detections' features.

        Raises:
            UserError: A feature is missing that the trees were fitted to.
        """
        missing = [name for name in self.names if name not in features.names]
        if missing:
            raise UserError(
                f"the results lack {first_names(missing)}, which the re-scorer was fitted with: fit"
                " one on results without it"
            )
        values = features.values[:, [features.names.index(name) for name in self.names]]
        return mean_probabilities(self.trees, values)

    def describe(self) -> str:
        """Returns the method in words."""
        return f"trees of {len(self.names)} features"

    def to_json(self) -> dict[str, Any]:
        """Returns keys and values that :meth:`from_json` reads."""
        return {
            "method": "trees",
            "features": self.names,
            "views": self.views,
            "trees": [trees.to_json() for trees in self.trees],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "TreeScore":
        """Reads what :meth:`to_json` returned.

        Raises:
            UserError: The trees are damaged.
            KeyError: A value is missing; or ``TypeError``, ``ValueError``: it has another form.
        """
        names = texts(content["features"], "features")
        if len(set(names)) < len(names):
            raise ValueError("a feature is named twice")
        trees = [Trees.from_json(one, len(names)) for one in content["trees"]]
        if not trees:
            raise ValueError("there are no trees")
        return cls(names, texts(content["views"], "views"), trees)
