"""The `maccap` command, and `python -m maccap`."""

import importlib
import sys

from maccap.runtime.own_packages import own_packages_first


def main() -> None:
    """Run the command line, which lies in the package `jobs`."""
    own_packages_first()
    try:
        importlib.import_module("jobs.cli").main()
    except KeyboardInterrupt:  # while it was imported
        sys.exit(130)


if __name__ == "__main__":
    main()
