"""Makes `.venv`: the pinned packages, mmcv with its operators, and this package, editable.

    python3.11 tools/install.py [--dev]

`--dev` adds what the tests and linters need. Standard library only, since nothing is installed
yet. A second run finds all in place and returns at once; an interrupted one is carried on.
"""

import sys

# Before the other imports: an older Python could not even read them.
if sys.version_info[:2] != (3, 11):
    sys.exit(
        "error: this is Python %d.%d, and the pins in requirements/ are for 3.11: run "  # noqa: UP031
        "`make PYTHON=/path/to/python3.11`, or, with a torch, mmcv and mmdet of your own, "
        "`pip install -e .`" % sys.version_info[:2]
    )

import argparse
import signal
from pathlib import Path

from installer.console import InstallError
from installer.steps import install


def main() -> int:
    """Installs and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="also what tests and linters need")
    options = parser.parse_args()
    # `kill` and a closed terminal then clean up as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        install(Path(__file__).resolve().parent.parent, dev=options.dev)
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # ours, not another program's: no room, no permission
        print(f"error: {error}: mend that and run again", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to carry on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
