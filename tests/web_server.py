"""Web servers as there are: with and without ranges, lengths and HEAD, that encode, redirect, cut and lie."""

import gzip
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What a server serves and how. May be changed while it runs; `asked` are the requests it had.

    `cuts` are the bytes after which the bodies of the next answers break off, one after another.
    """

    body: bytes = b""
    ranges: bool = False
    most: int = 1 << 30  # bytes of one range
    length: bool = True
    chunked: bool = False
    encoding: str = ""
    head: int = 200
    head_length: int | None = None
    status: int = 200
    tag: str = ""
    redirect: bool = False
    cuts: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    on_cut: Callable[[], object] = lambda: None


@contextmanager
def web_server(site: Site, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its URL, without a slash at the end. With `context` it speaks TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    server.daemon_threads = True
    server.handle_error = lambda request, address: None  # type: ignore[method-assign]
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http{'s' * bool(context)}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_HEAD(self) -> None:
            site.asked.append("HEAD")
            self.send_response(site.head)
            length = len(site.body) if site.head_length is None else site.head_length
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            site.asked.append(asked or "all")
            if site.redirect and not self.path.startswith("/there"):
                self.send_response(302)
                self.send_header("Location", f"/there{self.path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, status, headers = site.body, site.status, dict[str, str]()
            if site.encoding:
                headers["Content-Encoding"] = site.encoding
            if site.encoding == "gzip":
                body = gzip.compress(body, 1)
            if site.tag:
                headers["ETag"] = site.tag
            if site.ranges and (found := re.fullmatch(r"bytes=(\d+)-(\d+)", asked)):
                start, end = int(found[1]), min(int(found[2]) + 1, len(body), int(found[1]) + site.most)
                status = 206 if start < len(body) else 416
                span = f"{start}-{end - 1}" if status == 206 else "*"
                headers["Content-Range"] = f"bytes {span}/{len(body)}"
                body = body[start:end]
            self._answer(status, headers, body)

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            if site.chunked:
                headers["Transfer-Encoding"] = "chunked"
            elif site.length:
                headers["Content-Length"] = str(len(body))
            else:
                headers["Connection"] = "close"
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            cut = site.cuts.pop(0) if site.cuts else None
            body = body if cut is None else body[:cut]
            for start in range(0, len(body), 1 << 16):
                piece = body[start : start + (1 << 16)]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if site.chunked else piece)
            if cut is not None:
                site.on_cut()
                self.close_connection = True
                self.connection.close()
            elif site.chunked:
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
