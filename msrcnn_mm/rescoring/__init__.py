"""Re-scorers, which give the masks of a detector better scores after its training.

A re-scorer is fitted on results and annotations (:func:`fit_rescorer`), stored as a JSON file of
numbers and names (:class:`Rescorer`, :func:`read_rescorer`) and applied to results
(:meth:`Rescorer.apply`) or, by ``model.test_cfg.rescorer``, to the predictions of a detector. The
simplest correct one score by few numbers.
"""

from .methods import METHODS
from .rescored import Rescored
from .rescorer import Rescorer, read_rescorer
from .rescorer_fit import fit_rescorer

__all__ = ["METHODS", "Rescored", "Rescorer", "fit_rescorer", "read_rescorer"]
