import functools
import http.server
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.storage import files
from pipeline.storage.errors import CredentialsError
from pipeline.storage.files import (
    file_info,
    file_kind,
    locate,
    open_blocks,
    open_stream,
    read_bytes,
    read_file,
)
from pipeline.storage.retries import FileChangedError, storage
from tests.faulty_proxy import Faults, FaultyProxy

DATA = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def in_s3(s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> FaultyProxy:
    filesystem, path = locate("s3://bucket/data.bin")
    filesystem.pipe_file(path, DATA)
    monkeypatch.setattr(files, "BLOCK", 100_000)
    return s3


def test_a_read_goes_on_at_the_byte_where_the_connection_broke(in_s3: FaultyProxy) -> None:
    in_s3.faults = Faults(slow_down=0.05, cut=0.1)
    with open_stream(*locate("s3://bucket/data.bin")) as stream:
        assert stream.read() == DATA
    assert in_s3.counts["cut"] > 0
    # a whole second reading would be as many requests again
    assert in_s3.counts["requests"] < 60


def test_pieces_here_and_there(in_s3: FaultyProxy) -> None:
    in_s3.faults = Faults(cut=0.2)
    with open_blocks(*locate("s3://bucket/data.bin")) as file:
        for start in (2_500_000, 10, 1_200_000, 2_999_990):
            file.seek(start)
            assert file.read(50_000) == DATA[start : start + 50_000]
        assert file.seek(0, 2) == len(DATA)


@pytest.fixture
def without_ranges(tmp_path: Path) -> Iterator[str]:
    """A web server that knows no ranges (Python's own), behind a proxy that cuts half of all bodies."""
    (tmp_path / "data.bin").write_bytes(DATA)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with FaultyProxy(f"http://127.0.0.1:{server.server_address[1]}", Faults(cut=0.5)) as proxy:
        yield f"{proxy.url}/data.bin"
    server.shutdown()
    server.server_close()


def test_a_server_without_ranges_is_asked_again_from_the_start(
    without_ranges: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "first_wait", 0.01)
    filesystem, path = locate(without_ranges)
    assert file_kind(filesystem, path) == "file"
    with open_stream(filesystem, path) as stream:
        assert stream.read() == DATA


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/d/a.tar::b.tar", "/d/a.tar::b.tar"),
        ("/d/zip::b.tar", "/d/zip::b.tar"),
        ("/d/#1?*.tar", "/d/#1?*.tar"),
        ("/d/~/a b%20.tar", "/d/~/a b%20.tar"),
        ("/d/s3://x", "/d/s3:/x"),
        ("file:///d/a%20b.tar", "/d/a%20b.tar"),  # a file of that name, as everywhere
        ("FILE:///d/x", "/d/x"),
        ("S3://bucket/K::k", "bucket/K::k"),
        ("s3://bucket//a//b", "bucket//a//b"),
        ("HTTP://h/a::b?c#d", "http://h/a::b?c#d"),
        ("simplecache::S3://bucket/k", "bucket/k"),
        ("memory://a/b", "/a/b"),
    ],
)
def test_where_a_url_leads(url: str, expected: str) -> None:
    assert locate(url)[1] == expected


def test_local_paths_are_of_here_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert locate("x.tar")[1] == f"{tmp_path}/x.tar"
    assert locate("./~/x.tar")[1] == f"{tmp_path}/~/x.tar"
    assert locate("~/x.tar")[1] == "/home/me/x.tar"


def test_an_unknown_storage_says_what_is_known() -> None:
    with pytest.raises(ValueError, match=r"nosuch:// is no storage that is known: s3://"):
        locate("nosuch://bucket/x")


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="gcsfs is installed")
def test_a_storage_without_its_client_says_what_to_install() -> None:
    with pytest.raises(ImportError, match=r"pip install 'maccap\[gs\]'"):
        locate("gs://bucket/x")


def test_what_is_not_there_is_said_at_once(s3: FaultyProxy) -> None:
    for url in ("s3://bucket/none", "s3://no-such-bucket/none"):
        before = s3.counts["requests"]
        filesystem, path = locate(url)
        assert file_kind(filesystem, path) is None
        for read in (open_stream, open_blocks, read_file, file_info):
            with pytest.raises(FileNotFoundError, match=url):
                read(filesystem, path)
        assert s3.counts["requests"] - before < 12


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
def test_refused_credentials_are_told_from_a_refused_file(in_s3: FaultyProxy, code: str) -> None:
    filesystem, path = locate("s3://bucket/data.bin")
    in_s3.faults = Faults(refuse_after=0, refusal=(403, code))
    for read in (open_stream, read_bytes):
        with pytest.raises(CredentialsError, match=code):
            read(filesystem, path)
    in_s3.faults = Faults(refuse_after=0, refusal=(403, "AccessDenied"))
    with pytest.raises(PermissionError, match=r"s3://bucket/data\.bin: .*AccessDenied"):
        open_stream(filesystem, path)


def test_a_file_replaced_meanwhile_is_noticed(in_s3: FaultyProxy) -> None:
    filesystem, path = locate("s3://bucket/data.bin")
    with open_stream(filesystem, path) as stream:
        assert stream.read(10) == DATA[:10]
        filesystem.pipe_file(path, b"x" * len(DATA))
        with pytest.raises(FileChangedError, match=r"s3://bucket/data\.bin: it was replaced"):
            stream.read()
