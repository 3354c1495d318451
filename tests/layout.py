"""The repository's own checks, which `make lint` runs: tests beside the code, few modules at the top, plain
words.

python -m tests.layout
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("maccap", "pipeline", "jobs")
TESTED_FROM = 40  # lines of a file that must have tests
TOP_MODULES = 3  # in pipeline/, beside its folders
PROSE = ("docs", "README.md", "CONTRIBUTING.md")

WORDS = {
    r"\breceipts?\b": "write result",
    r"\bembedded (world|model|bundle|scenes)\b": "synthetic scenes, built-in model",
    r"\bgive_back\b": "trim_heap",
    r"\bhas a say\b|\bhave a say\b": "affects",
    r"\bof like length\b": "of similar length",
    r"\bstraightforward way|\bStraightforward\b|\bstraightforward,": "baseline",
    r"[;,] left out: (?=[a-z0-9])": "default: ",
    r"\brows a file\b": "rows per file",
    r"\bfor good\b": "permanently",
    r"\b[Mm]end(s|ed|ing)?\b": "fix",
    r"\bshares? of\b|\b(a|the|its|whose|'s) share\b": "fraction",
    r"\b(the|worker) board\b|\bBoard\b|\bboard[.=(]": "worker activity",
    r"\bpace\b": "throughput",
    r"\bdef every\b|\.every\(": "run_periodically",
    r"\bstall(s|ed|ing)?\b": "watchdog; stands still",
    r"\bgoes on (with|from there)\b|\bcommand goes on\b": "resumes",
    r"\bDESIGN\b": "the paper's section, or docs/",
}


def untested() -> Iterator[str]:
    """Sources without a test file of their name, that no test of their package names in its first line."""
    for package in PACKAGES:
        for source in sorted(Path(package).rglob("*.py")):
            if source.name == "__init__.py" or len(source.read_text().splitlines()) <= TESTED_FROM:
                continue
            folder = Path("tests") / source.parent
            if (folder / f"test_{source.name}").exists():
                continue
            first_lines = (test.read_text().split("\n", 1)[0] for test in folder.glob("test_*.py"))
            if not any(re.search(rf"\b{re.escape(source.name)}", line) for line in first_lines):
                yield f"{source}: no {folder}/test_{source.name}, nor a test there whose first line names it"


def crowded() -> Iterator[str]:
    """A package that is a heap of modules again."""
    modules = [path.name for path in Path("pipeline").glob("*.py") if path.name != "__init__.py"]
    if len(modules) > TOP_MODULES:
        yield f"pipeline/ has {len(modules)} modules beside its folders: {', '.join(sorted(modules))}"


def odd_words() -> Iterator[str]:
    """Words of our own making where the field has one; also in tests and documentation."""
    code = {path for folder in (*PACKAGES, "tests") for path in Path(folder).rglob("*.py")}
    prose = {path for place in map(Path, PROSE) for path in (place, *place.rglob("*.md")) if path.is_file()}
    for source in sorted((code | prose) - {Path("tests/layout.py")}):
        for number, line in enumerate(source.read_text().splitlines(), 1):
            for word, better in WORDS.items():
                if match := re.search(word, line):
                    yield f"{source}:{number}: {match[0]!r}: say {better}"


def main() -> None:
    problems = [*untested(), *crowded(), *odd_words()]
    print("\n".join(problems), file=sys.stderr)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
