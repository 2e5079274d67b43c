"""What is in the way of a run's outputs, before the model is loaded."""

from pathlib import Path

import pytest

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.outputs import Outputs
from msrcnn_mm.runtime.run import begin


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_of_another_kind_is_refused(tmp_path: Path, overwrite: bool) -> None:
    outputs = Outputs(tmp_path, draw=True)
    outputs.check(overwrite)
    for path in (outputs.results, outputs.journal):
        path.mkdir()
        with pytest.raises(UserError, match=rf"{path.name}: is a folder, and a file is to be"):
            outputs.check(overwrite)
        path.rmdir()
    outputs.pictures.write_text("")
    with pytest.raises(UserError, match="pictures: is a file, and a folder is to be written"):
        outputs.check(overwrite)
    Outputs(tmp_path).check(overwrite)  # draws none


def test_outputs_of_a_run_that_ended_in_the_meantime_are_kept(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.check()
    outputs.results.write_text("[]")
    with pytest.raises(UserError, match=r"results\.json: exists"), begin(outputs, {}):
        pass
    assert [*tmp_path.iterdir()] == [outputs.results]
    with begin(outputs, {}, overwrite=True):
        assert not outputs.results.exists()
