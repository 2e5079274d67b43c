"""Work of the first process of a distributed run, for which the others wait."""

from collections.abc import Callable

from mmengine.dist import broadcast_object_list, is_main_process

from msrcnn_mm.errors import UserError


def run_in_first_process(work: Callable[[], None]) -> None:
    """Calls a function in the first process; the others wait for it, and fail if it fails.

    Args:
        work: The function.

    Raises:
        Exception: In the first process, what the function raises. In the others a ``UserError`` of
            the first, or a ``RuntimeError`` for any other error.
    """
    failure: list[Exception | None] = [None]
    if not is_main_process():
        broadcast_object_list(failure)
        if failure[0] is not None:
            raise failure[0]
        return
    try:
        work()
    except UserError as error:
        failure = [error]
        raise
    except BaseException as error:  # of any kind, also one that cannot be sent
        failure = [RuntimeError(f"the first process failed: {type(error).__name__}: {error}")]
        raise
    finally:
        broadcast_object_list(failure)
