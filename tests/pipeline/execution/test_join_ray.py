"""An address without a cluster is refused within a bounded time, and what was tried is said."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.execution import join_ray
from pipeline.storage.errors import RunError, UserError


@pytest.fixture
def web_server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def silent() -> Iterator[str]:
    """Something that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("ray://127.0.0.1:10001", "maccap submit"),
        ("http://127.0.0.1:8265", "maccap submit"),
        ("somewhere", "HOST:PORT"),
        ("127.0.0.1:", "HOST:PORT"),
        ("[::1]", "HOST:PORT"),
    ],
)
def test_an_address_of_another_kind_is_the_users_mistake(address: str, why: str) -> None:
    with pytest.raises(UserError, match="RAY_ADDRESS") as told:
        join_ray.check_joinable(address)
    assert why in str(told.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "no-such-host.invalid"])
def test_nothing_listens(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{host}:{taken.getsockname()[1]}"
        with pytest.raises(RunError, match="nothing listens") as told:
            join_ray.check_joinable(address)
    assert address in str(told.value)
    assert "Unset RAY_ADDRESS" in str(told.value)


@pytest.mark.parametrize("other", ["web_server", "silent"])
def test_another_program_listens(
    other: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_ray, "_JOIN_SECONDS", 2.0)
    address = request.getfixturevalue(other)
    with pytest.raises(RunError, match=f"{address} .*did not answer as a Ray cluster"):
        join_ray.check_joinable(address)
