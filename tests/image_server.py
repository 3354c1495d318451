"""An image server on loopback with every fault that the addresses of an old table meet."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field


@dataclass
class WebServer:
    """`asked` counts requests by path. A path's last part says what the server does."""

    url: str
    asked: dict[str, int] = field(default_factory=dict)


def _handler(server: WebServer, content: bytes) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.asked[path] = server.asked.get(path, 0) + 1
            getattr(self, path.rpartition("/")[2].partition("-")[0].partition(".")[0], self.image)()

        def image(self, body: bytes = content, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def missing(self) -> None:
            self.image(b"", 404)

        def busy(self) -> None:
            """Once."""
            self.image(b"", 503) if server.asked[self.path] == 1 else self.image()

        def cut(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) * 2))
            self.end_headers()
            self.wfile.write(content)

        def endless(self, piece: bytes = bytes(1 << 20), seconds: float = 0) -> None:
            self.send_response(200)
            self.end_headers()
            start = time.monotonic()
            while time.monotonic() - start < 60:
                try:
                    self.wfile.write(piece)
                except OSError:
                    return
                time.sleep(seconds)

        def slow(self) -> None:
            self.endless(b"\xff", 0.1)

        def silent(self) -> None:
            time.sleep(3)

        def redirect(self) -> None:
            self.image(b"", 302, Location=self.path.partition("?")[2])

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextmanager
def web_server(image: bytes, port: int = 0) -> Iterator[WebServer]:
    """Answers every path with `image`, but for those that a method above is named after."""
    server = WebServer("")
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(server, image)) as running:
        running.daemon_threads = True
        running.block_on_close = False
        server.url = f"http://127.0.0.1:{running.server_port}"
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            running.shutdown()


@contextmanager
def black_hole() -> Iterator[str]:
    """A port whose connections are never taken: its queue is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(closing(socket.socket()))
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def refused_url() -> str:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
