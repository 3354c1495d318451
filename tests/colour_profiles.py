"""ICC profiles of other spaces than sRGB, as cameras and screens embed them."""

import struct

import numpy as np


def rgb_profile(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float]) -> bytes:
    """A profile of these primaries (x, y) by D50 and gamma 2.2."""
    white = np.array([0.9642, 1.0, 0.8249])
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (red, green, blue)]).T
    columns = columns * np.linalg.solve(columns, white)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    description = b"desc" + bytes(4) + struct.pack(">I", 5) + b"wide\0" + bytes(79)
    tags = {b"desc": description, b"wtpt": _xyz(white), b"cprt": b"text" + bytes(4) + b"none\0\0\0\0"}
    for name, column in zip(b"rgb", columns.T, strict=True):
        tags[bytes([name]) + b"XYZ"] = _xyz(column)
        tags[bytes([name]) + b"TRC"] = curve
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += padded
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *_fixed(white))
    return head.ljust(128, b"\0") + table + body


def _fixed(values: np.ndarray) -> list[int]:
    return [round(value * 65536) for value in values]


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *_fixed(values))


ADOBE_RGB = rgb_profile((0.6484, 0.3309), (0.2302, 0.7016), (0.1559, 0.0660))
WIDER = rgb_profile((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))  # ProPhoto's primaries
