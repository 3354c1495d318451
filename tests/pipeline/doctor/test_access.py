"""Whether a path or URL can be read and written: on a disk, in an S3 server, and where that fails."""

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.doctor.access import can_read, can_write, few_tries
from pipeline.doctor.check import Finding
from pipeline.storage.files import locate
from pipeline.storage.retries import storage
from tests.faulty_proxy import FaultyProxy


def _one(findings: Iterable[Finding]) -> Finding:
    [finding] = findings
    return finding


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "a.tar").write_bytes(b"123")
    os.mkfifo(tmp_path / "pipe")
    assert _one(can_read(str(tmp_path))) == Finding("ok", "a folder; deep/er/a.tar in it can be read")
    assert _one(can_read(f"{tmp_path}/deep/er/{{a,b}}.tar")).status == "ok"
    assert _one(can_read(str(tmp_path / "deep/er/a.tar"))) == Finding("ok", "a file, 3 bytes")
    missing = _one(can_read(str(tmp_path / "none")))
    assert missing.status == "fault"
    assert missing.fix.startswith("Check the path")


def test_a_folder_is_written_without_being_made(tmp_path: Path) -> None:
    assert _one(can_write(str(tmp_path / "runs" / "first"))).status == "ok"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert _one(can_write(str(tmp_path / "file"))).status == "fault"


def test_an_s3_bucket(s3: FaultyProxy) -> None:
    filesystem, _ = locate("s3://bucket")
    filesystem.pipe_file("bucket/photos/1/a.jpg", b"123")
    filesystem.pipe_file("bucket/photos/empty", b"")
    assert _one(can_read("s3://bucket/photos/1")) == Finding("ok", "a folder; a.jpg in it can be read")
    assert _one(can_read("s3://bucket/photos/empty")) == Finding("ok", "a file, 0 bytes")
    assert _one(can_write("s3://bucket/out")).status == "ok"
    assert not filesystem.exists("bucket/out")
    assert _one(can_write("s3://no-such-bucket/out")).status == "fault"


def test_a_storage_in_trouble_is_not_waited_for(s3: FaultyProxy) -> None:
    attempts = storage.attempts
    with few_tries():
        finding = _one(can_read("http://127.0.0.1:9/photos.tar?token=secret"))
    assert storage.attempts == attempts
    assert finding.status == "fault"
    assert "tried 2 times" in finding.text
    assert "secret" not in finding.text
    assert "network" in finding.fix
    assert "web server" in _one(can_write("https://127.0.0.1:9/out")).text


def test_an_unknown_storage() -> None:
    finding = _one(can_read("nosuch://bucket/x"))
    assert finding.status == "fault"
    assert "no storage that is known" in finding.text
