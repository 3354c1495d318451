"""address.py and client.py against real sockets: what is no cluster, and what does not answer."""

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.storage.errors import UserError
from pipeline.submit import address
from pipeline.submit.address import check_dashboard, dashboard_address


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_the_address_is_the_one_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dashboard_address(None) == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "http://ray:8265/")
    assert dashboard_address(None) == "http://ray:8265"
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "https://api")
    assert dashboard_address(None) == "https://api"
    assert dashboard_address("head:8265") == "http://head:8265"


@pytest.mark.parametrize("given", ["ray://head:10001", "http://", "http://user:secret@head:8265", "head:x"])
def test_addresses_of_another_kind_are_refused(given: str) -> None:
    with pytest.raises(UserError) as refused:
        dashboard_address(given)
    assert "secret" not in str(refused.value)


def test_the_address_that_a_run_joins_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(UserError, match="RAY_ADDRESS"):
        dashboard_address(None)


@contextmanager
def saying(answer: bytes | None) -> Iterator[str]:
    """A port that says this to whoever connects; None: nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                held.append(client)
                if answer is not None:
                    client.recv(1000)
                    client.sendall(answer)
                    client.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [b"PRI * HTTP/2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"HTTP/1.1 200 OK\r\n\r\n[1]", b""],
)
def test_another_program_is_no_cluster(answer: bytes) -> None:
    with saying(answer) as place, pytest.raises(UserError, match="not the dashboard"):
        check_dashboard(place)


def test_a_web_server_is_no_cluster() -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match="404"):
            check_dashboard(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "_SECONDS", 0.2)
    with saying(None) as place, pytest.raises(UserError, match=r"does not answer|nothing answers"):
        check_dashboard(place)
    with pytest.raises(UserError, match="nothing answers"):
        check_dashboard(place)
