"""README, CONTRIBUTING and docs/: links lead somewhere, commands parse, what can run here runs, and generated
parts are as the code is.

A `console` block is a transcript: its `$` lines run here, in order, and the output shown is a part of theirs,
where `...` stands for anything. A `python` block runs too. An `sh` block needs data that is not here: its
commands are parsed. All pages share a folder, in which README's commands ran first.
"""

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from docs.generate import PARTS, written
from jobs.cli import COMMANDS
from tests.commands import REPOSITORY
from tests.images import encoded, picture

DOCS = sorted((REPOSITORY / "docs").glob("*.md"))
PAGES = {page.name: page for page in (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *DOCS)}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?:(?: {4}.*)?\n)+")
_INLINE = re.compile(r"`(maccap [^`]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block: its language, and its text."""

    language: str
    text: str


def blocks(page: str) -> list[Block]:
    return [Block(*found) for found in _FENCE.findall(PAGES[page].read_text(encoding="utf-8"))]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def command_lines(page: str) -> Iterator[str]:
    """Every `maccap ...` of the page's blocks, without what a shell would take for its own."""
    texts = [text for language, text in blocks(page) if language in ("sh", "console")]
    texts += _INDENTED.findall(prose(PAGES[page]))
    for line in "\n".join(texts).replace("\\\n", " ").splitlines():
        if found := re.fullmatch(r"(?:    |\$ )?(?:\.venv/bin/)?(maccap .+)", line):
            yield found[1]


def arguments(line: str) -> list[str]:
    return shlex.split(line, comments=True)[1:]


def app_of(name: str) -> typer.Typer:
    """The command on its own, as `python -m jobs.NAME` has it."""
    assert name in COMMANDS, f"there is no command maccap {name}"
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    module = importlib.import_module(COMMANDS[name])
    app.command(context_settings=getattr(module, "CONTEXT_SETTINGS", None))(module.main)
    return app


def parse(name: str, given: list[str]) -> None:
    """Raises what Typer would tell a person of these arguments; runs nothing."""
    typer.main.get_command(app_of(name)).make_context(name, list(given))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in _LINK.findall(prose(PAGES[page])):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (PAGES[page].parent / path).resolve() if path else PAGES[page]
        assert file.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(file), f"{target}: no such heading"


def anchors(page: Path) -> set[str]:
    """Of a page's headings, as GitHub and MkDocs make them."""
    headings = _HEADING.findall(prose(page))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", [page for page in PAGES if page != "commands.md"])  # which has usages
def test_commands_parse(page: str) -> None:
    for line in command_lines(page):
        name, *given = arguments(line)
        try:
            parse(name, given)
        except Exception as refused:
            pytest.fail(f"{line}: {refused}")


@pytest.mark.parametrize("page", PAGES)
def test_options_in_the_text_are_those_of_their_command(page: str) -> None:
    for line in _INLINE.findall(prose(PAGES[page]).replace("\n", " ")):
        name, *given = arguments(line)
        if name.isupper() or name.startswith("-"):
            continue
        options = {word.partition("=")[0] for word in given if word.startswith("-")}
        known = {
            flag
            for one in typer.main.get_command(app_of(name)).params
            for flag in (*one.opts, *one.secondary_opts)
        }
        assert options <= {*known, "--help"}, f"{line}: has no {options - known}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where all pages' commands run; README's have."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "photo.jpg").write_bytes(encoded(picture(0)))
    with pytest.MonkeyPatch.context() as patch:
        for cache in ("MACCAP_CACHE", "HF_DATASETS_CACHE"):
            patch.setenv(cache, str(folder / "cache"))
        follow("README.md", folder)
        yield folder


def follow(page: str, folder: Path) -> dict[str, Any]:
    """Do what a page says, in the folder; returns the names that its Python defined."""
    names: dict[str, Any] = {"__name__": page}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for language, text in blocks(page):
            if language == "console":
                transcript(text)
            elif language == "python":
                exec(compile(text, page, "exec"), names)
    finally:
        os.chdir(before)
    return names


def transcript(text: str) -> None:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        told = output(line)
        parts = " ".join(shown.split()).split("...")
        told_here = re.search(".*?".join(map(re.escape, parts)), " ".join(told.split()))
        assert told_here, f"{line}\n{told}"


def output(line: str) -> str:
    """What a command says, progress aside."""
    name, *given = arguments(line)
    result = CliRunner().invoke(app_of(name), given)
    if result.exception is not None:
        raise AssertionError(f"{line}\n{result.output}") from result.exception
    return "".join(line for line in result.output.splitlines(True) if not line.startswith('{"progress"'))


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ("README.md", "CONTRIBUTING.md")])
def test_a_page_does_what_it_says(page: str, folder: Path) -> None:
    follow(page, folder)


def test_a_metric_and_a_format_as_a_reader_would_add_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.evaluate import registry as metrics
    from pipeline.export import registry as formats

    check = ["git", "apply", "--check", "-"]
    for language, text in blocks("extending.md"):
        if language == "diff":
            subprocess.run(check, cwd=REPOSITORY, input=text, text=True, check=True)
    names = follow("extending.md", folder)
    before = metrics.metrics
    monkeypatch.setattr(metrics, "metrics", lambda options: [*before(options), names["Doubt"]()])
    monkeypatch.setitem(formats.FORMATS, "pairs", names["Pairs"])
    monkeypatch.chdir(folder)
    assert "doubt" in output("maccap evaluate run")
    output("maccap export run pairs --format pairs --local")
    lines = "".join(path.read_text() for path in (folder / "pairs").rglob("*.tsv")).splitlines()
    assert len(lines) == 24
    assert all(line.count("\t") == 1 for line in lines)


@pytest.mark.parametrize("page", PARTS)
def test_generated_parts_are_as_the_code_is(page: str) -> None:
    assert PAGES[page].read_text(encoding="utf-8") == written(page), "run `make docs`"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if find_spec("mkdocs") is None:
        pytest.skip("mkdocs is not installed: pip install 'maccap[dev]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = [page.read_text(encoding="utf-8") for page in tmp_path.glob("*.html")]
    assert len(pages) > len(DOCS)
    loaded = re.compile(r"<(?:script|img|link)[^>]+(?:src|href)=[\"']?(?:https?:)?//")
    assert not any(loaded.search(page) for page in pages)  # nothing comes from a network
