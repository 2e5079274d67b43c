"""The files of finished images of a test, one a process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mmengine.dist import barrier, broadcast_object_list, get_rank, is_main_process

from msrcnn_mm.errors import UserError
from msrcnn_mm.runtime.journal import Journal, Record

from ..hooks.first_process import run_in_first_process


class JournalFiles:
    """A folder with a file of finished images of each process, of this run and of those before.

    The first process has its file open, and so locked, until the end. All processes make the same
    calls in the same order. It is a context manager, which closes the file of this process.

    Args:
        folder: The folder, which all processes see.
        settings: Returns all on which predictions and pictures depend, by the name for messages;
            called in the first process.
        overwrite: Whether to remove the files of another run.

    Attributes:
        folder: As given.
        done: Ids of the images that were finished before.

    Raises:
        UserError: Another run has a file open, or one is of other settings or cannot be read or
            made.
    """

    def __init__(
        self, folder: Path, settings: Callable[[], Mapping[str, Any]], overwrite: bool = False
    ) -> None:
        self.folder = folder
        self._own: Journal | None = None
        shared: list[Any] = [None, None]

        def begin() -> None:
            found = settings()
            self._own = Journal(self._file(0), found, overwrite)
            if overwrite:
                for path in self._others():
                    path.unlink()
            done = set(self._own.done)
            for path in self._others():
                with Journal(path, found) as other:
                    done |= other.done
            shared[:] = found, sorted(done)

        try:
            run_in_first_process(begin)
        except BaseException:
            self.close()
            raise
        broadcast_object_list(shared)
        self._settings, done = shared
        self.done = frozenset(done)
        if not is_main_process():
            self._own = Journal(self._file(get_rank()), self._settings)

    def append(self, records: Sequence[Record]) -> None:
        """Appends images that this process has finished.

        Raises:
            UserError: The file cannot be written.
        """
        assert self._own is not None
        self._own.append(records)

    def complete(self) -> None:
        """Waits for all processes to finish their images, and closes their files but the first."""
        if not is_main_process():
            self.close()
        barrier()

    def records(self, count: int) -> Iterator[Record]:
        """Yields the finished images of all files in the order of their ids, in the first process.

        Args:
            count: Their number; ids count from 0.

        Raises:
            UserError: One is in none of the files.
        """
        with ExitStack() as stack:
            assert self._own is not None
            journals = [self._own]
            for path in self._others():
                journals.append(stack.enter_context(Journal(path, self._settings)))
            of_image = {number: journal for journal in journals[::-1] for number in journal.done}
            missing = count - len(of_image.keys() & range(count))
            if missing:
                raise UserError(
                    f"{self.folder}: {missing} of {count} images are in none of its files: let all"
                    " processes write into a folder that the first one sees, and test again"
                )
            for number in range(count):
                yield of_image[number].read(number)

    def remove(self) -> None:
        """Removes the files, in the first process."""
        if is_main_process() and self._own is not None:
            for path in self._others():
                path.unlink()
            self._own.remove()

    def close(self) -> None:
        """Closes the file of this process; removes one of no image, and a folder of no file."""
        if self._own is not None:
            self._own.__exit__(None, None, None)
        with suppress(OSError):
            self.folder.rmdir()

    def __enter__(self) -> "JournalFiles":
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the file of this process."""
        self.close()

    def _file(self, process: int) -> Path:
        return self.folder / f"{process}.jsonl"

    def _others(self) -> list[Path]:
        """Returns the files but that of the first process."""
        return sorted(path for path in self.folder.glob("*.jsonl") if path != self._file(0))
