"""JSON files, read and written."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from msrcnn_mm.errors import UserError


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        UserError: It cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(f"{path} is not JSON: {error}") from error


def write_json(content: Any, path: Path) -> None:
    """Writes a JSON file in one step: no reader ever sees half of it.

    Raises:
        UserError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(content, file)
            Path(partial).chmod(0o644)  # mkstemp's is for its owner alone
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write {path}: a file is in the way of its folder") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
