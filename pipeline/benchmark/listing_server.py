"""A bucket of very many files that are not there: an S3 server on this machine that makes up its listings."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from urllib.parse import parse_qs, urlsplit

import fsspec

from pipeline.chunk import chunk_file_name

_A_PAGE = 1000  # as S3
TARS, CHUNKS = "s3://large/tars", "s3://large/run/captions"
_MODIFIED = "2026-01-01T00:00:00.000Z"


def tar_name(number: int) -> str:
    """As a large dataset's."""
    return f"photos-{number:06d}.tar"


@contextmanager
def made_up_bucket(tars: int, chunks_a_tar: int, chunk_file: bytes) -> Iterator[None]:
    """While the block runs, S3 clients of this process and of those it starts find at `TARS` so many tars,
    and at `CHUNKS` the files of a run of them, each with the content `chunk_file`.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, tars, chunks_a_tar, chunk_file), daemon=True)
    server.start()
    before = dict(os.environ)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{here.recv()}",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    clients = fsspec.get_filesystem_class("s3")
    clients.clear_instance_cache()  # they keep to the server that they found first
    try:
        yield
    finally:
        clients.clear_instance_cache()
        os.environ.clear()
        os.environ |= before
        server.terminate()
        server.join()


def _serve(ready: Connection, tars: int, chunks_a_tar: int, chunk_file: bytes) -> None:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            if "list-type" in query:
                self._answer(200, self._page(query).encode())
            elif not url.path.startswith("/large/run/captions/"):
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            elif wanted := self.headers.get("Range"):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                piece = chunk_file[int(first) : int(last) + 1 if last else None]
                end = int(first) + len(piece) - 1
                self._answer(206, piece, {"Content-Range": f"bytes {first}-{end}/{len(chunk_file)}"})
            else:
                self._answer(200, chunk_file)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *message: object) -> None:
            pass

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            told = {"Content-Length": str(len(body)), "ETag": '"e"', "Last-Modified": _HTTP_DATE}
            for name, value in {**told, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _page(self, query: dict[str, str]) -> str:
            prefix, first = query.get("prefix", ""), int(query.get("continuation-token", "0"))
            counts = {"tars/": tars, "run/captions/": tars * chunks_a_tar}
            count = counts.get(prefix, 0)
            name = tar_name if prefix == "tars/" else partial(_chunk_name, chunks_a_tar)
            last = min(count, first + min(_A_PAGE, int(query.get("max-keys", _A_PAGE))))
            keys = "".join(
                f"<Contents><Key>{prefix}{name(n)}</Key><LastModified>{_MODIFIED}</LastModified>"
                f'<ETag>"{n:032x}"</ETag><Size>{len(chunk_file)}</Size></Contents>'
                for n in range(first, last)
            )
            more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < count else ""
            return (
                '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<IsTruncated>{str(last < count).lower()}</IsTruncated><KeyCount>{last - first}</KeyCount>"
                f"{more}{keys}</ListBucketResult>"
            )

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    ready.send(server.server_address[1])
    server.serve_forever()


_HTTP_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


def _chunk_name(chunks_a_tar: int, number: int) -> str:
    return chunk_file_name(tar_name(number // chunks_a_tar), number % chunks_a_tar)
