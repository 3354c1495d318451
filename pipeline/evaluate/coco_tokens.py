"""Captions as coco-caption tokenises them, with its PTBTokenizer, a Java program."""

import locale
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pipeline.evaluate.captions import Captions

_OPTIONS, _UTF8 = "JAVA_TOOL_OPTIONS", "-Dfile.encoding=UTF-8"


class JavaError(Exception):
    """Java is missing, or what it runs broke. The message says what to do."""


class Tokens(NamedTuple):
    """Words with spaces between them, without punctuation: a caption and its references of each image."""

    captions: dict[int, list[str]]
    references: dict[int, list[str]]


def tokenised(captions: Captions) -> Tokens:
    """By the rows' places, in the form that coco-caption's scorers take. Raises JavaError."""
    rows = captions.rows
    with utf8_java():
        try:
            return Tokens(
                _tokenise([[row.caption or ""] for row in rows]),
                _tokenise([row.references for row in rows]),
            )
        except OSError as error:  # it writes a file beside its own
            raise JavaError(f"coco-caption's tokeniser cannot run: {error}") from None


def _tokenise(texts: Sequence[Sequence[str]]) -> dict[int, list[str]]:
    """The tokeniser puts out a line for each line that it reads, as Unicode understands lines, and loses
    empty ones at the end: captions are made one line each, and empty ones never given to it.
    """
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer  # an extra of the package

    lines = [[_one_line(text) for text in some] for some in texts]
    flat = [line for some in lines for line in some if line]
    entries = {number: [{"caption": line}] for number, line in enumerate(flat)}
    made = PTBTokenizer().tokenize(entries) if flat else {}
    if len(made) != len(flat):
        raise JavaError(f"coco-caption's tokeniser answered {len(made)} of {len(flat)} captions")
    words = (made[number][0] for number in range(len(flat)))
    return {place: [next(words) if line else "" for line in some] for place, some in enumerate(lines)}


def _one_line(text: str) -> str:
    """Valid Unicode on one line; `|||` is what METEOR's program separates captions with."""
    line = " ".join(text.replace("|||", " ").splitlines()).strip()
    return line.encode("utf-8", "replace").decode("utf-8")


@contextmanager
def utf8_java() -> Iterator[None]:
    """While Java programs run: they read and write UTF-8, whatever the machine's locale. Raises JavaError."""
    if shutil.which("java") is None:
        raise JavaError(
            "needs Java, which is not on the PATH: install it (apt-get install default-jre-headless)"
        )
    before = os.environ.get(_OPTIONS)
    if locale.getencoding().lower() != "utf-8":  # else Java takes it so, and says nothing of options
        os.environ[_OPTIONS] = f"{before} {_UTF8}" if before else _UTF8
    try:
        yield
    except subprocess.SubprocessError as error:
        raise JavaError(f"a Java program of coco-caption ended: {error}") from None
    finally:
        os.environ.pop(_OPTIONS, None)
        if before is not None:
            os.environ[_OPTIONS] = before
