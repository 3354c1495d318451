"""Tars that lie, hide or never end, built header by header."""

import gzip
import io
import tarfile

from tests.images import encoded, picture

JPEG = encoded(picture())
END = b"\0" * 1024


def member(name: str, data: bytes = JPEG, **fields: object) -> bytes:
    """A member as GNU tar writes it; `fields` are those of `tarfile.TarInfo`, its size included."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    header = info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")
    return header + data + b"\0" * (-len(data) % 512)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A pax header with any content, for the member behind it or (`XGLTYPE`) for all."""
    return member("pax", records, type=kind)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body)
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def with_number(header: bytes, start: int, number: bytes) -> bytes:
    """`header` with another field at `start`, and a checksum that fits."""
    block = bytearray(header[:512])
    block[start : start + len(number)] = number
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + header[512:]


GOOD = member("good.jpg")
NEGATIVE = b"\xff" * 12  # a size of -1, as GNU tar writes numbers that are not octal

# What stands between the members 0.jpg and good.jpg, and the image ids and errors it leaves there. Where the
# tar cannot be read on behind it, the last is the error of the shard, here without an id.
BETWEEN: dict[str, tuple[bytes, list[tuple[str, str | None]]]] = {
    "parent folders": (member("../../etc/passwd.jpg"), [("../../etc/passwd", None)]),
    "an absolute name": (member("/etc/passwd.jpg"), [("/etc/passwd", None)]),
    "a symbolic link": (
        member("a.jpg", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        [("a", "is a link")],
    ),
    "a hard link": (member("a.jpg", b"", type=tarfile.LNKTYPE, linkname="0.jpg"), [("a", "is a link")]),
    "a device": (member("a.jpg", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5), [("a", "no file")]),
    "a pipe": (member("a.jpg", b"", type=tarfile.FIFOTYPE), [("a", "no file")]),
    "a folder": (member("a.jpg/", b"", type=tarfile.DIRTYPE), []),
    "line breaks": (member("a\nb\r\n.jpg"), [("a\nb\r\n", None)]),
    "control characters": (member("\x1b[31ma\x07.jpg"), [("\x1b[31ma\x07", None)]),
    "no unicode": (member("\udcff\udcfe.jpg"), [("\\udcff\\udcfe", None)]),
    "a long key": (member("k" * 100_000 + ".jpg"), [("k" * 100_000, None)]),
    "a long key in pax": (
        pax(record("path", "k" * 100_000 + ".jpg")) + member("a.jpg"),
        [("k" * 100_000, None)],
    ),
    "an empty image": (member("a.jpg", b""), [("a", "empty")]),
    "no image": (member("a.json", b"{}"), [("a", "holds no image, only: json")]),
    "too large": (member("a.jpg", b"\0" * 300_000), [("a", "300000 bytes, more than the limit")]),
    "too many members": (
        b"".join(member(f"a.{n}.npy", b"") for n in range(500)),
        [("a", "the sample holds no image, only: ")],
    ),
    "another tar": (END + member("a.jpg") + END * 30, [("a", None)]),
    "a sparse file": (
        with_number(member("a.jpg", b"", type=tarfile.GNUTYPE_SPARSE), 483, b"00000000000\0"),
        [("a", "sparse")],
    ),
    "a sparse file of an exabyte": (
        pax(record("GNU.sparse.size", str(1 << 60)) + record("GNU.sparse.numblocks", "0")) + member("a.jpg"),
        [("a", "not read")],
    ),
    "garbage": (b"\x01" * 512, [("", "damaged")]),
    "a negative size": (with_number(member("a.jpg", b""), 124, NEGATIVE), [("", "has -")]),
    "a size beyond the file": (
        with_number(member("a.npy", b""), 124, b"77777777777\0"),
        [("", "unexpected end")],
    ),
    "a huge pax header": (with_number(pax(b""), 124, b"77777777777\0"), [("", "a header claims")]),
    "a huge long name": (
        with_number(member("a", b"", type=tarfile.GNUTYPE_LONGNAME), 124, b"77777777777\0"),
        [("", "a header claims")],
    ),
    "a chain of headers": (pax(record("comment", "x")) * 5000, [("", "damaged")]),
    "headers for all": (
        b"".join(pax(record(f"c{n}", "x" * 100_000), tarfile.XGLTYPE) for n in range(9)),
        [("", "absurd size")],
    ),
    "digits without end": (pax(b"1" * 100_000), [("", "absurd size")]),
    "a pax record of length 0": (pax(b"0 a=b\n"), [("", "damaged")]),
    "a pax size that is none": (pax(record("size", "-5")) + member("a.jpg"), [("", "has -")]),
    "a sparse map cut short": (
        with_number(with_number(member("a", b"", type=tarfile.GNUTYPE_SPARSE), 482, b"\1"), 483, b"7" * 11)
        + END,
        [],
    ),
}


def tar_with(between: bytes) -> bytes:
    return member("0.jpg") + between + GOOD + END


def json_bombs() -> dict[str, bytes]:
    """Content of `json` members: what a parser may choke on."""
    return {
        "nan": b'{"score": NaN, "far": -Infinity}',
        "doubled": b'{"a": 1, "a": 2}',
        "deep": b"[" * 100_000 + b"]" * 100_000,
        "deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "long number": b'{"n": ' + b"9" * 100_000 + b"}",
        "large exponent": b'{"n": 1e999999}',
        "nul": b'{"n": "\\u0000"}',
        "utf-16": '{"n": 1}'.encode("utf-16"),
        "bom": b"\xef\xbb\xbf{}",
    }


def gzip_bomb(megabytes: int) -> bytes:
    """A tar of one member that is all zeros, a thousandth of its size."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as packed:
        packed.write(with_number(member("a.jpg", b""), 124, b"%011o\0" % (megabytes << 20)))
        for _ in range(megabytes):
            packed.write(b"\0" * (1 << 20))
        packed.write(GOOD + END)
    return buffer.getvalue()
