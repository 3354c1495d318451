"""Pixels beside those that Chromium shows of the same file, on white. Without Chromium it is skipped; with
`-rP` it prints the differences.
"""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from maccap.image.as_seen import as_seen
from pipeline.formats.image_format import HEAD_BYTES, image_format
from pipeline.stages.decoding.open_image import open_image
from tests.hostile.odd_pixels import odd_pixels

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ELSEWHERE = {
    "clear.avif"
}  # whose alpha Chromium 14x takes for video range; ours is that of the picture encoded
TYPES = {"JPEG": "jpeg", "ICO": "x-icon"}
PAGE = """<!DOCTYPE html><body>IMAGES<script>
function show(image) {
  if (!image.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  let text = "";
  for (const value of data) text += String.fromCharCode(value);
  return [canvas.width, canvas.height, btoa(text)];
}
window.onload = () => {
  document.body.textContent = JSON.stringify([...document.images].map(show));
};
</script></body>"""


def _in_chromium(files: list[bytes], folder: Path) -> list[np.ndarray | None]:
    """Each file's pixels [height, width, 3] as the browser draws it, None where it does not."""
    urls = []
    for data in files:
        kind = image_format(data[:HEAD_BYTES]) or "png"
        urls.append(f"data:image/{TYPES.get(kind, kind.lower())};base64,{base64.b64encode(data).decode()}")
    page = folder / "page.html"
    page.write_text(PAGE.replace("IMAGES", "".join(f'<img src="{url}">' for url in urls)))
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), *flags, profile, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    match = re.search(r"<body>(\[.*\])</body>", done.stdout, re.DOTALL)
    assert match is not None, done.stderr
    shown: list[np.ndarray | None] = []
    for found in json.loads(match[1]):
        if found is None:
            shown.append(None)
            continue
        width, height, pixels = found
        shown.append(np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[..., :3])
    return shown


def _ours(data: bytes) -> np.ndarray:
    kind = image_format(data[:HEAD_BYTES])
    assert kind is not None
    return np.asarray(as_seen(open_image(data, kind).load()).convert("RGB"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_the_same(tmp_path: Path) -> None:
    names, files = zip(*odd_pixels(), strict=True)
    assert len(files) >= 60
    differences = {}
    for name, data, theirs in zip(names, files, _in_chromium(list(files), tmp_path), strict=True):
        assert theirs is not None, f"{name}: the browser shows nothing"
        ours = _ours(data)
        assert ours.shape == theirs.shape, name
        differences[name] = np.abs(ours.astype(int) - theirs).mean(axis=(0, 1)).max()
    for name, difference in sorted(differences.items(), key=lambda item: -item[1]):
        print(f"{difference:6.2f} {name}")
    assert max(value for name, value in differences.items() if name not in ELSEWHERE) <= 3
