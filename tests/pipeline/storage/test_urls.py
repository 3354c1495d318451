from pathlib import Path

import pytest

from pipeline.storage.urls import absolute, canonical, is_chained, split_list


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("a.tar::b.tar", ["a.tar", "b.tar"]),
        ("/d/a-{0..9}.tar::/d/b*.tar", ["/d/a-{0..9}.tar", "/d/b*.tar"]),
        ("s3://b/a.tar::https://h/c.tar?x=1", ["s3://b/a.tar", "https://h/c.tar?x=1"]),
        ("s3://b/a.tar::s3://b/b.tar::s3://b/c.tar", ["s3://b/a.tar", "s3://b/b.tar", "s3://b/c.tar"]),
        ("zip::b.tar", ["zip", "b.tar"]),
        ("simplecache::s3://b/a.tar::s3://b/b.tar", ["simplecache::s3://b/a.tar", "s3://b/b.tar"]),
    ],
)
def test_a_list_is_taken_apart(source: str, parts: list[str]) -> None:
    assert split_list(source) == parts
    assert not is_chained(source)


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::s3://b/a.tar",
        "zip://*.jpg::s3://b/a.zip",
        "tar://x/a.jpg::/d/a.tar",
        "zip://x::simplecache::https://h/a.zip",
    ],
)
def test_a_chain_is_one(url: str) -> None:
    assert is_chained(url)
    assert split_list(url) == [url]


def test_a_tilde_is_a_home_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute("~/photos") == "/home/me/photos"
    assert absolute("~no-such-user/photos") == str(Path("~no-such-user/photos").absolute())


def test_what_is_no_chain() -> None:
    assert not any(map(is_chained, ("a.tar", "s3://b/a.tar", "/d/zip://x", "/d/a::b")))


def test_schemes_are_small() -> None:
    assert canonical("HTTPS://Host/A") == "https://Host/A"
    assert canonical("/D/S3://x") == "/D/S3://x"
