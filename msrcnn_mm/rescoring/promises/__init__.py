"""Promises about masks that nobody looks at: how many are of an object, and how well they fit.

A promise is made from a labelled split, for masks of other images of the same source
(:class:`PromiseSearch`). Nothing is assumed of the scores or of masks of one image; images
are the units.
"""

from .cuts import ScoredMasks
from .promise import Promise, PromiseSearch, Terms

__all__ = ["Promise", "PromiseSearch", "ScoredMasks", "Terms"]
