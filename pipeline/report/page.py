"""`index.html`: the page's markup, style and scripts, with the data, in one file that loads nothing but
thumbnails.

Its Content-Security-Policy allows the scripts and the style by their hashes, and images beside the page:
whatever a caption says, nothing of it runs, and nothing is asked of a network.
"""

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Any

PAGE_FILE = "index.html"
_STYLE = "page.css"
_SCRIPTS = ("elements.js", "blocks.js", "picture.js", "card.js", "details.js", "gallery.js", "page.js")


def page(data: dict[str, Any]) -> str:
    """The page of this data. Raises ValueError for numbers that JSON has not."""
    style = _part(_STYLE)
    script = '"use strict";\n{\n' + "\n".join(map(_part, _SCRIPTS)) + "}\n"
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    parts = {"policy": policy, "style": style, "script": script, "data": _in_script(data)}
    markup, filled = _part("page.html"), []
    for piece in markup.split("{{")[1:]:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return markup.split("{{", 1)[0] + "".join(filled)


def _in_script(data: dict[str, Any]) -> str:
    """As JSON that no element ends or begins in: `<` and `>` stand in strings alone, and are escaped."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _part(name: str) -> str:
    return files(__package__).joinpath("template", name).read_text("utf-8")
