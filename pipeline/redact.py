"""Names and errors as they are written and said: valid Unicode, one line, no key to any storage."""

import re

_USER = re.compile(r"(?<=://)[^/@\s'\"]+@(?=[^/])")
_QUERY = re.compile(r"\?([^\s'\"<>(){}\[\]]+)")
_SECRET = re.compile(
    r"x-(amz|goog|ms|oss|cos)-.*|awsaccesskeyid|googleaccessid|key-pair-id|policy|expires|signature|sig|key"
    r"|s[epvrt]|spr|sip|sk[a-z]{1,3}|(.*[_-])?(token|secret|password|passwd|pwd|api[_-]?key|auth|credentials?)",
    re.IGNORECASE,
)
"""Names of query parameters: of signed URLs of S3, Google, CloudFront and Azure (se, sp, sv, ... beside sig),
and what people call tokens."""


def redacted(text: str) -> str:
    """`text` without the user and password of any URL in it, and without secret parameters of its query.

    What is left of a URL is the same for every signature, so it serves as the URL's name.
    """
    return _QUERY.sub(_open_query, _USER.sub("", text))


def _open_query(match: re.Match[str]) -> str:
    parameters = match[1].split("&")
    kept = [parameter for parameter in parameters if not _is_secret(parameter)]
    return "?" + "&".join(kept) if kept else ""


def _is_secret(parameter: str) -> bool:
    name, equals, _ = parameter.partition("=")
    return bool(equals) and _SECRET.fullmatch(name) is not None


def printable(name: str) -> str:
    """`name` as valid Unicode: bytes that are none, in a file name, become `\\udcff` escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def describe(error: BaseException) -> str:
    """An exception on one short line, without the secrets of any URL in it."""
    text = redacted(" ".join(str(error).split()))
    if isinstance(error, FileNotFoundError) and error.errno is None:  # of a remote storage: the name alone
        text = f"no such file: {text}"
    return printable(text[:300] if text else type(error).__name__)
