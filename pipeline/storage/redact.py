"""Names and errors as they are written and said: valid Unicode, one line, no key to any storage.

Of a web address everything is taken for secret that may be: the user and password, the fragment, and each
parameter of its query that is not listed here as harmless. Names in an object store and on a disk are kept as
they are, `?`, `#` and `@` included.
"""

import re

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]{0,30}"
_NEXT = re.compile(rf"(?:[,;|]|::){_SCHEME}://")  # the next URL in a list or a chain
# up to a blank, a quote or the next
_URL = re.compile(rf"(?P<scheme>{_SCHEME})://(?P<rest>(?:(?!{_NEXT.pattern})[^\s'\"<>])*)")
_WHOLE_URL = re.compile(rf"(?P<before>@?(?:{_SCHEME}::)*)(?P<scheme>{_SCHEME})://(?P<rest>\S*)")
# may hold `?` and `#` in the name of a file
_OBJECT_STORES = {
    "s3", "s3a", "s3n", "gs", "gcs", "hf", "abfs", "abfss", "wasb", "wasbs", "az", "adl", "oss", "cos", "oci",
    "file", "local", "memory", "zip", "tar",
}  # fmt: skip
_CONTAINERS = {"abfs", "abfss", "wasb", "wasbs"}  # container@account is a place, not a user
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_SURE_HOST = re.compile(r"(\[[^\]]*\]|localhost|[^:]*\.[^:]*)(:\d*)?|[^:]*:\d+", re.IGNORECASE)

_HARMLESS = re.compile(
    r"((image|img|photo|picture|file|object|page|doc)[_-]?)?id|pid|fid|file(name)?|name|image|img|photo"
    r"|w|width|h|height|size|dpr|scale|crop|fit|rotate|format|fm|auto|q|quality|type"
    r"|page|index|frame|part|v|ver|version|version-?id|rev|revision|alt|raw|dl|download|export",
    re.IGNORECASE,
)
"""Parameters that tell one image from another, or how it is drawn. Their values are short."""
_HARMLESS_VALUE = re.compile(r"[\w.,{}~+%/*-]{0,64}")

_SECRET_WORDS = (
    r"[\w-]*(?:secret|password|passwd|passphrase|pwd|token|jwt|signature|credentials?|authorization"
    r"|(?:secret|access|account|api|private|storage|shared|master|signing)[_-]?key(?:[_-]?id)?)"
)
_SECRET = re.compile(
    rf"{_SECRET_WORDS}|x-(?:amz|goog|ms|oss|cos)-.*|awsaccesskeyid|googleaccessid|key-pair-id|policy|expires"
    r"|sig|key|auth|s[epvrt]|spr|sip|sk[a-z]{1,3}",
    re.IGNORECASE,
)
"""Parameters of signed URLs (of Azure: se, sp, sv, ... beside sig), where others may be a file's name."""

# keys that show what they are: of AWS, JSON web tokens, Hugging Face, GitHub, Google
_KEY = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*|\b(?:hf|gh[pousr]|github_pat)_\w{16,}"
    r"|\bAIza[\w-]{30,}"
)
_VALUE = r"[^\s'\",;)}\]]+"
_NAMED = re.compile(
    r"(\bauthorization['\"]?\s*:\s*['\"]?(?:[\w-]+ )?"
    rf"|\b{_SECRET_WORDS}['\"]?\s?=\s?['\"]?"  # name=value
    rf"|\b{_SECRET_WORDS}['\"]\s?:\s?['\"]"  # 'name': 'value'
    r"|\bbearer (?=\S{8})|\bbasic (?=\S{12})"
    rf"|[?&](?:{_SECRET.pattern})=){_VALUE}",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """`text` without the user, password, fragment and secret parameters of any URL in it, and without values
    that are named as keys or tokens.

    What is left of a URL is the same for every signature, so it serves as the URL's name. A path is left as
    it is.
    """
    whole = _WHOLE_URL.fullmatch(text)
    if whole and not _NEXT.search(whole["rest"]):
        return whole["before"] + _open(whole["scheme"], whole["rest"])
    is_path, parts, end = text.startswith("/"), [], 0
    for match in _URL.finditer(text):
        url, after = _ended(match["rest"])
        parts += [text[end : match.start()], _open(match["scheme"], url) + after]
        end = match.end()
    parts.append(text[end:])
    if not is_path:
        parts[::2] = (_KEY.sub("...", _NAMED.sub(r"\1...", part)) for part in parts[::2])
    return "".join(parts)


def _ended(rest: str) -> tuple[str, str]:
    """A URL in a text, and what closes the sentence or the brackets around it."""
    url = rest.rstrip(").,;:]") if re.search(r"[?#]", rest) else rest
    return url, rest[len(url) :]


def _open(scheme: str, rest: str) -> str:
    """A URL of what follows its `://`."""
    kind = scheme.lower()
    rest = _without_user(kind, rest)
    if kind in _OBJECT_STORES:
        name, mark, query = rest.partition("?")
        parameters = query.split("&")
        kept = [parameter for parameter in parameters if not _is_secret(parameter)]
        return f"{scheme}://{name}{mark if kept else ''}{'&'.join(kept)}"
    path, _, query = rest.partition("#")[0].partition("?")
    kept = [parameter for parameter in query.split("&") if _is_harmless(parameter)]
    path = _URL.sub(lambda inner: _open(inner["scheme"], inner["rest"]), path)
    return f"{scheme}://{path}{'?' if kept else ''}{'&'.join(kept)}"


def _without_user(kind: str, rest: str) -> str:
    head = re.split(r"[?#]", rest, maxsplit=1)[0]
    place = head.partition("/")[0]
    user, at, host = place.rpartition("@")
    if at and kind in _CONTAINERS and ":" not in user:
        return rest
    if at:
        begun = kind not in _OBJECT_STORES and not _SURE_HOST.fullmatch(host)
    else:
        begun = _HOST.fullmatch(host) is None
    cut = len(user) + len(at)
    if begun:  # a password with a slash, of which this was the beginning
        cut = max(cut, head.rfind("@") + 1) or rest.rfind("@") + 1
    return rest[cut:]


def _is_secret(parameter: str) -> bool:
    name, equals, _ = parameter.partition("=")
    return bool(equals) and _SECRET.fullmatch(name) is not None


def _is_harmless(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    harmless = _HARMLESS.fullmatch(name) and _HARMLESS_VALUE.fullmatch(value)
    return harmless is not None and _KEY.search(value) is None


def printable(name: str) -> str:
    """`name` as valid Unicode: bytes that are none, in a file name, become `\\udcff` escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(location: str) -> str:
    """A path or URL as it may be printed."""
    return printable(redacted(location))


def describe(error: BaseException) -> str:
    """An exception on one short line, without the secrets of any URL in it."""
    text = redacted(" ".join(str(error).split()))
    if isinstance(error, FileNotFoundError) and error.errno is None:  # of a remote storage: the name alone
        text = f"no such file: {text}"
    return printable(text[:300] if text else type(error).__name__)
