"""An HTTP proxy in front of a storage server that answers wrongly now and then, as real ones do.

With a fraction of the requests, drawn from a seed: 503 SlowDown, a body cut short, an answer that comes late.
The same request tried again is drawn anew.
"""

import http.client
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass
class Faults:
    """Shares of requests, and how late a late answer is, in seconds. May be changed while the proxy runs.

    `refuse_after`: requests let through before every further one is answered with `refusal`, a status and an
    S3 error code; None lets all through.
    """

    slow_down: float = 0.0
    cut: float = 0.0
    late: float = 0.0
    late_seconds: float = 1.5
    refuse_after: int | None = None
    refusal: tuple[int, str] = (503, "SlowDown")


@dataclass
class FaultyProxy:
    """Stands before `target` (http://host:port) at its own `url`; a context manager.

    `counts` tells what it did: requests, refused, slow_down, cut, late.
    """

    target: str
    faults: Faults = field(default_factory=Faults)
    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def draw(self) -> str | None:
        """What befalls the next request."""
        with self._lock:
            self.counts["requests"] += 1
            chance = self._draw.random()
            faults, fate = self.faults, None
            if faults.refuse_after is not None and self.counts["requests"] > faults.refuse_after:
                fate = "refused"
            elif chance < faults.slow_down:
                fate = "slow_down"
            elif chance < faults.slow_down + faults.cut:
                fate = "cut"
            elif chance < faults.slow_down + faults.cut + faults.late:
                fate = "late"
            if fate:
                self.counts[fate] += 1
            return fate


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    target = urlsplit(proxy.target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # headers and body leave together

        def handle_expect_100(self) -> bool:
            go_on = super().handle_expect_100()
            self.wfile.flush()
            return go_on

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fate = proxy.draw()
            if fate in ("slow_down", "refused"):
                self._refuse(*(proxy.faults.refusal if fate == "refused" else (503, "SlowDown")))
                return
            if fate == "late":
                time.sleep(proxy.faults.late_seconds)
            behind = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            try:
                # the Host header stays the client's: its signature covers it
                behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in ("connection", "expect"):
                        behind.putheader(name, value)
                behind.endheaders(body or None)
                answer = behind.getresponse()
                data = answer.read()
                self._answer(answer.status, answer.reason, answer.getheaders(), data, cut=fate == "cut")
            finally:
                behind.close()

        def _refuse(self, status: int, code: str) -> None:
            message = f"<Error><Code>{code}</Code><Message>{code}, says the proxy</Message></Error>"
            body = f'<?xml version="1.0" encoding="UTF-8"?>{message}'.encode()
            self._answer(status, code, [("Content-Type", "application/xml")], body)

        def _answer(
            self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes, cut: bool = False
        ) -> None:
            self.send_response_only(status, reason)
            length = str(len(body))
            for name, value in headers:
                if name.lower() == "content-length":
                    length = value  # of an answer to HEAD, which has no body
                elif name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command == "HEAD":
                return
            if cut:
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
