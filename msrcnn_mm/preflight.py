"""Checks before a run."""

from collections.abc import Sequence

from mmengine.config import Config


def preflight(config: Config, splits: Sequence[str]) -> None:
    """Placeholder until the checks are in."""
