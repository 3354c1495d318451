"""What a file is that is no image, by its first bytes: often a page that a server sent in place of one."""

_SIGNATURES = (
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM film"),
    (b"ID3", "an MP3 sound"),
    (b"OggS", "Ogg sound or film"),
    (b"8BPS", "a Photoshop file"),
    (b"gimp xcf", "a GIMP file"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"SIMPLE  =", "FITS"),
    (b"DDS ", "a DDS texture"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "HDF5"),
    (b"PAR1", "Parquet"),
    (b"version https://git-lfs", "a Git LFS pointer, in place of the file"),
)
_MARKUP = ((b"<svg", "SVG"), (b"<!doctype html", "HTML"), (b"<html", "HTML"), (b"<?xml", "XML"))
_HEAD = 1024


def describe_no_image(data: bytes) -> str:
    """For instance `HTML`, or what it starts with."""
    head = data[:_HEAD]
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[4:8] == b"ftyp":
        return "an MP4 film"
    if head.startswith(b"RIFF"):
        return "a sound or film (RIFF)"
    if not head.strip(b"\0"):
        return "nothing but zeros"
    markup = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, name in _MARKUP:
        if markup.startswith(start):
            return "SVG" if b"<svg" in markup else name
    if markup[:1] in (b"{", b"["):
        return "JSON"
    return f"text or data that starts with {data[:8]!r}"
