"""The data set that the tests of checks share."""

from pathlib import Path

import pytest

from tests.support.checked_configs import CLASSES
from tests.support.coco_files import write_data_set


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_data_set(tmp_path / "data", CLASSES)
