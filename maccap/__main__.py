"""The `maccap` command, and `python -m maccap`."""

import sys

from maccap.runtime.own_packages import own_packages_first


def main() -> None:
    """Run the command line, which lies in the package `jobs`."""
    own_packages_first()
    try:
        from jobs.cli import main as run_command_line

        run_command_line()
    except KeyboardInterrupt:  # while it was imported
        sys.exit(130)


if __name__ == "__main__":
    main()
