"""This project's own packages, whatever else is called `jobs` or `pipeline` on the path.

Both are names that others use too: in the current folder, which Ray puts on its workers' path, or in
PYTHONPATH, which comes before what is installed. Only these names are looked up here first, and the path
stays as it is.

As a script, `python own_packages.py MODULE ARGUMENT...` runs a module with the same in force.
"""

import runpy
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

NAMES = ("maccap", "pipeline", "jobs")
FOLDER = Path(__file__).resolve().parents[2]


def own_packages_first() -> Callable[[], None]:
    """Put this project's packages first here. Returns what does so in another process: it holds all it needs,
    so that it can be sent there before anything of this project is imported.

    On a machine without the folder they lie in here, that machine's path decides.
    """
    names, here = NAMES, str(FOLDER)

    def put_first() -> None:
        import sys
        from importlib.machinery import ModuleSpec, PathFinder

        class OwnPackages:
            folder = here

            @classmethod
            def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
                spec = PathFinder.find_spec(name, [cls.folder]) if name in names else None
                return spec if spec and spec.origin else None  # a folder of that name alone is no package

        if not any(getattr(finder, "folder", None) == here for finder in sys.meta_path):
            sys.meta_path.insert(0, OwnPackages)

    put_first()
    return put_first


def names_taken(path: Sequence[str]) -> bool:
    """Whether one of the names would be found elsewhere on `path`."""
    found = [spec for name in NAMES if (spec := PathFinder.find_spec(name, path))]
    return any(not spec.origin or Path(spec.origin).resolve().parents[1] != FOLDER for spec in found)


if __name__ == "__main__":
    own_packages_first()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
