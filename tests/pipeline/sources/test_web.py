"""Also for addresses.py: images at addresses that anyone may have named, from a server on loopback with
every fault.
"""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipeline.sources.addresses import any_socket, is_public, public_socket
from pipeline.sources.web import Patience, Web, WebError
from tests.image_server import WebServer, black_hole, refused_url, web_server

IMAGE = bytes(range(256)) * 100
QUICK = Patience(connect=0.5, answer=0.5, wait=0.02, busy_wait=0.1, outage=0, body=0.5, rest=0.5)


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with web_server(IMAGE) as running:
        yield running


@pytest.fixture
def web() -> Iterator[Web]:
    running = Web(QUICK)
    yield running
    running.close()


def _read(web: Web, url: str, max_bytes: int = 1 << 20) -> bytes:
    return web.read(url, max_bytes, lambda size: None)


def test_a_body_and_what_is_asked_before_it_is_held(server: WebServer, web: Web) -> None:
    reserved: list[int] = []
    assert web.read(f"{server.url}/a%2Fb.jpg?X-Sig=%2B", 1 << 20, reserved.append) == IMAGE
    assert reserved == [len(IMAGE)]
    assert server.asked["/a%2Fb.jpg"] == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "HTTP 404"),
        ("endless", r"limit of 1048576 \(max_bytes\)"),
        ("slow", "comes too slowly: .* bytes"),
        ("silent", "does not answer"),
        ("cut", "cut off after 25600 bytes"),
        ("redirect?file:///etc/passwd", "redirects to file:"),
        ("redirect?", "more than 5 redirects"),
    ],
)
def test_whatever_goes_wrong_ends_soon_and_says_so(
    server: WebServer, web: Web, path: str, message: str
) -> None:
    start = time.monotonic()
    with pytest.raises(WebError, match=message):
        _read(web, f"{server.url}/{path}")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("url", ["http://", "http://h:99999/a", "http://\0/", "http://no.such.invalid/a.jpg"])
def test_what_is_no_address_is_an_error_of_its_row(web: Web, url: str) -> None:
    with pytest.raises(WebError):
        _read(web, url)


def test_a_busy_host_is_asked_again(server: WebServer, web: Web) -> None:
    assert _read(web, f"{server.url}/busy") == IMAGE
    assert server.asked["/busy"] == 2


def test_redirects_are_followed_to_the_web(server: WebServer, web: Web) -> None:
    assert _read(web, f"{server.url}/redirect?/redirect?/x.jpg") == IMAGE


@pytest.mark.parametrize("dead", ["refused", "black hole"])
def test_a_host_that_never_answers_is_soon_left_alone(web: Web, dead: str) -> None:
    with black_hole() as hole:
        url = hole if dead == "black hole" else refused_url()
        for _ in range(3):
            with pytest.raises(WebError, match=r"does not answer|left alone"):
                _read(web, url)
        start = time.monotonic()
        for number in range(200):
            with pytest.raises(WebError, match="left alone"):
                _read(web, f"{url}/{number}.jpg")
        assert time.monotonic() - start < 20


def test_a_host_that_comes_back_is_used_again(web: Web) -> None:
    url = refused_url()
    for _ in range(4):
        with pytest.raises(WebError):
            _read(web, url)
    with web_server(IMAGE, int(url.rpartition(":")[2])):
        deadline = time.monotonic() + 20
        while True:
            try:
                assert _read(web, url) == IMAGE
                break
            except WebError as error:
                assert "left alone" in str(error)  # noqa: PT017
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_host_that_answered_before_is_waited_for() -> None:
    web = Web(replace(QUICK, outage=20))
    with web_server(IMAGE) as server:
        port = int(server.url.rpartition(":")[2])
        assert _read(web, server.url) == IMAGE
    web.close()  # connections that were kept
    with pytest.raises(WebError), web_server(IMAGE) as other:
        _read(web, f"{other.url}/missing")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(_read, web, f"http://127.0.0.1:{port}/late.jpg")
        time.sleep(0.3)
        with web_server(IMAGE, port):
            assert reading.result() == IMAGE
    web.close()


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[64:ff9b::a9fe:a9fe]",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
    ],
)
def test_addresses_of_cloud_metadata_are_never_asked(web: Web, host: str) -> None:
    with pytest.raises(WebError, match=r"never read from|not a canonical"):
        _read(web, f"http://{host}/latest/meta-data/iam/")


def test_a_redirect_to_cloud_metadata_is_not_followed(server: WebServer, web: Web) -> None:
    with pytest.raises(WebError, match="never read from"):
        _read(web, f"{server.url}/redirect?http://169.254.169.254/latest/")


def test_a_public_host_cannot_send_us_to_a_private_one(
    server: WebServer, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    described = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
    any_socket(described).close()
    with pytest.raises(OSError, match="private address"):
        public_socket(described)
    assert is_public("8.8.8.8")
    assert not any(map(is_public, ("10.0.0.1", "::1", "::ffff:192.168.0.1", "x", None)))
    monkeypatch.setattr("pipeline.sources.web.is_public", lambda host: True)  # the one that redirects
    with pytest.raises(WebError, match="private address"):
        _read(web, f"{server.url}/redirect?{server.url}/x.jpg")
