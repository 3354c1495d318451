"""Files on web servers of all kinds: read to the last byte, on after a cut, and never mixed with another."""

import gzip
import io
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fsspec.implementations.http import HTTPFileSystem

from pipeline.sources import plan_source, read_shard
from pipeline.sources.sample import ChunkLimits, chunk_samples
from pipeline.storage import files
from pipeline.storage.files import file_info, file_kind, locate, open_blocks, open_stream, read_bytes
from pipeline.storage.retries import FileChangedError, StorageError, storage
from tests.hostile.tars import END, member
from tests.web_server import Site, web_server

DATA = np.random.default_rng(0).bytes(1_000_000)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK", 100_000)
    monkeypatch.setattr(storage, "first_wait", 0.001)
    monkeypatch.setattr(storage, "attempts", 4)


@pytest.fixture
def site() -> Site:
    return Site(DATA)


# what a server does, and whether files on it can be read here and there
SERVERS: dict[str, tuple[dict, bool]] = {
    "ranges": ({"ranges": True, "tag": '"1"'}, True),
    "ranges in small pieces": ({"ranges": True, "most": 30_000}, True),
    "HEAD is refused": ({"ranges": True, "head": 405}, True),
    "HEAD is forbidden": ({"head": 403}, False),
    "HEAD tells another length": ({"ranges": True, "head_length": 1000}, True),
    "a redirect": ({"ranges": True, "redirect": True}, True),
    "no ranges": ({}, False),
    "no length": ({"length": False}, False),
    "chunks": ({"chunked": True}, False),
    "gzip on the way": ({"encoding": "gzip"}, False),
    "gzip in chunks": ({"encoding": "gzip", "chunked": True}, False),
    "ranges of gzip": ({"encoding": "gzip", "ranges": True}, False),
}


@pytest.mark.parametrize("kind", SERVERS)
def test_every_byte_once(site: Site, kind: str) -> None:
    behaviour, seeks = SERVERS[kind]
    for name, value in behaviour.items():
        setattr(site, name, value)
    with web_server(site) as url:
        filesystem, path = locate(f"{url}/data.bin")
        assert file_kind(filesystem, path) == "file"
        with open_stream(filesystem, path) as stream:
            assert stream.seekable() == seeks
            assert stream.read() == DATA
            assert stream.read(1) == b""
        assert read_bytes(filesystem, path) == DATA
        if seeks:
            assert file_info(filesystem, path)["size"] == len(DATA)
            with open_blocks(filesystem, path) as file:
                for start in (999_990, 10, 500_000):
                    file.seek(start)
                    assert file.read(50) == DATA[start : start + 50]
                assert file.seek(-5, io.SEEK_END) == len(DATA) - 5
        else:
            with pytest.raises(StorageError, match=r"data\.bin must be read here and there.*copy it"):
                open_blocks(filesystem, path)
    assert "HEAD" not in site.asked


@pytest.mark.parametrize("ranges", [True, False])
def test_an_empty_file(site: Site, ranges: bool) -> None:
    site.body, site.ranges = b"", ranges
    with web_server(site) as url:
        filesystem, path = locate(f"{url}/data.bin")
        assert file_info(filesystem, path)["size"] == 0
        with open_stream(filesystem, path) as stream:
            assert stream.read() == b""


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_named_without_secrets(site: Site, status: int) -> None:
    site.status = status
    with web_server(site) as url:
        filesystem, path = locate(f"{url}/data.bin?token=hidden")
        assert file_kind(filesystem, path) is None
        for read in (open_stream, read_bytes, file_info):
            with pytest.raises(FileNotFoundError, match=r"data\.bin is not there") as raised:
                read(filesystem, path)
            assert "hidden" not in str(raised.value)
    assert len(site.asked) == 4


def test_what_is_forbidden_is_no_missing_file(site: Site) -> None:
    site.status = 403
    with web_server(site) as url:
        filesystem, path = locate(f"{url}/data.bin")
        with pytest.raises(StorageError, match=r"403.*data\.bin"):
            file_kind(filesystem, path)


@pytest.mark.parametrize("behaviour", [{"ranges": True}, {}, {"chunked": True}, {"encoding": "gzip"}])
def test_a_cut_goes_on_at_the_byte(site: Site, behaviour: dict) -> None:
    for name, value in behaviour.items():
        setattr(site, name, value)
    site.cuts = [70_000, 50, 200_000, 0, 400_001]
    with web_server(site) as url, open_stream(*locate(f"{url}/data.bin")) as stream:
        assert stream.read() == DATA
    assert not site.cuts


def test_a_file_that_is_always_cut_is_given_up(site: Site) -> None:
    site.cuts = [1000] * 20
    with (
        web_server(site) as url,
        open_stream(*locate(f"{url}/data.bin")) as stream,
        pytest.raises(StorageError, match="tried 4 times"),
    ):
        stream.read()


@pytest.mark.parametrize("told", [{"tag": '"1"'}, {}])
@pytest.mark.parametrize("behaviour", [{"ranges": True}, {}, {"chunked": True}])
def test_a_file_replaced_meanwhile_is_noticed(site: Site, behaviour: dict, told: dict) -> None:
    for name, value in {**behaviour, **told}.items():
        setattr(site, name, value)

    def replace() -> None:
        # of another length where nothing else would tell
        site.body = b"x" * (len(DATA) if site.tag or not site.ranges else 900_000)
        site.tag = site.tag and '"2"'

    site.cuts, site.on_cut = [600_000], replace  # more than waits unread: some was read
    with (
        web_server(site) as url,
        open_stream(*locate(f"{url}/data.bin")) as stream,
        pytest.raises(FileChangedError, match=r"data\.bin was replaced"),
    ):
        stream.read()


def _rows(url: str) -> list[dict]:
    (shard,) = plan_source(url).shards
    chunks = chunk_samples(shard.id, read_shard(shard), ChunkLimits())
    return [row for chunk in chunks for row in chunk.samples.to_pylist()]


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_a_tar_is_read_from_any_server(site: Site, kind: str, name: str) -> None:
    tar = b"".join(member(f"{n}.jpg") for n in range(200)) + END
    site.body = gzip.compress(tar, 0) if name.endswith("gz") else tar
    for key, value in SERVERS[kind][0].items():
        setattr(site, key, value)
    with web_server(site) as url:
        rows = _rows(f"{url}/{name}")
    assert [row["error"] for row in rows] == [None] * 200


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", ""])
def test_a_packed_tar_whose_packing_the_server_takes_for_its_own(site: Site, encoding: str) -> None:
    tar = member("0.jpg") + END
    # `gzip` is what the server packs here; a stored .tar.gz sent with that header is the same answer
    site.body, site.encoding = tar if encoding == "gzip" else gzip.compress(tar), encoding
    with web_server(site) as url:
        (row,) = _rows(f"{url}/x.tar.gz")
    assert row["error"] is None


def test_a_tar_out_of_order_on_a_server_without_ranges_says_so(site: Site) -> None:
    tar = b"".join(member(f"{n}.{kind}") for kind in ("jpg", "txt") for n in range(3)) + END
    site.body = tar
    with web_server(site) as url:
        rows = _rows(f"{url}/x.tar")
        assert [row["error"] is None for row in rows] == [True] * 3 + [False] * 3
        assert "sorted by name" in rows[-1]["error"]
        site.ranges = True
        assert [row["error"] for row in _rows(f"{url}/x.tar")] == [None] * 3


def _certificate(folder: Path, host: str, days: int) -> ssl.SSLContext:
    """A server's context with a certificate of its own making, valid from a year ago for so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    start = datetime.now(UTC) - timedelta(days=365)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, encoding = folder / "server.pem", serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(certificate.public_bytes(encoding) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def _trusting(folder: Path) -> HTTPFileSystem:
    """A filesystem that knows the certificate."""
    context = ssl.create_default_context(cafile=str(folder / "server.pem"))
    return HTTPFileSystem(ssl=context, skip_instance_cache=True)


@pytest.mark.parametrize("ranges", [True, False])
def test_what_tls_lost_is_tried_again(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.ranges, site.cuts = ranges, [70_000, 0, 50]
    with (
        web_server(site, _certificate(tmp_path, "127.0.0.1", 730)) as url,
        open_stream(_trusting(tmp_path), f"{url}/data.bin") as stream,
    ):
        assert stream.read() == DATA
    assert not site.cuts


@pytest.mark.parametrize(
    ("host", "days", "trusted", "why"),
    [
        ("127.0.0.1", 730, False, "self-signed certificate"),
        ("127.0.0.1", 10, True, "certificate has expired"),
        ("127.0.0.2", 730, True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_bad_certificate_is_told_at_once(
    site: Site, tmp_path: Path, host: str, days: int, trusted: bool, why: str
) -> None:
    with web_server(site, _certificate(tmp_path, host, days)) as url:
        filesystem = _trusting(tmp_path) if trusted else locate(url)[0]
        for read in (open_stream, file_kind):
            with pytest.raises(StorageError, match=rf"certificate of 127\.0\.0\.1 is not accepted: {why}"):
                read(filesystem, f"{url}/data.bin")


def test_s3_behind_a_bad_certificate(
    site: Site, tmp_path: Path, s3: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server(site, _certificate(tmp_path, "127.0.0.1", 730)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        locate("s3://bucket")[0].clear_instance_cache()
        with pytest.raises(StorageError, match="is not accepted: self-signed certificate"):
            read_bytes(*locate("s3://bucket/x"))


def test_a_server_that_speaks_no_tls(site: Site) -> None:
    with web_server(site) as url, pytest.raises(StorageError, match=r"WRONG_VERSION_NUMBER"):
        read_bytes(*locate(f"{url.replace('http', 'https')}/data.bin"))
