"""Captions, references and images as CaptionEvalKit-for-VLMs (`capevalkit`) reads them, for learned metrics.

    capevalkit score --metric polos --predictions FOLDER/predictions.jsonl \\
        --references FOLDER/references.jsonl --image-dir FOLDER/images --output polos.json
"""

import json
from pathlib import Path

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.images import read_images
from pipeline.formats.image_format import HEAD_BYTES, image_format
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe

PREDICTIONS, REFERENCES, IMAGES = "predictions.jsonl", "references.jsonl", "images"


def export(captions: Captions, folder: Path) -> tuple[int, int]:
    """Write a new `folder`; returns how many captions are there, and how many images were no longer to be
    read: their captions are left out, as these metrics look at the image. A row without a caption is there
    with an empty one.

    Raises UserError where the folder is not empty or cannot be written.
    """
    places = {row.image_id: place for place, row in enumerate(captions.rows)}
    written = 0
    try:
        (folder / IMAGES).mkdir(parents=True)
        with (
            (folder / PREDICTIONS).open("w", encoding="utf-8") as predictions,
            (folder / REFERENCES).open("w", encoding="utf-8") as references,
        ):
            for table in read_images(captions.run, captions.rows):
                for image_id, image in zip(table["image_id"].to_pylist(), table["image"], strict=True):
                    if not (content := image.as_py()):
                        continue
                    place = places[image_id]
                    row = captions.rows[place]
                    kind = (image_format(content[:HEAD_BYTES]) or "image").replace(" ", "").lower()
                    name = f"{place:08d}.{kind}"
                    (folder / IMAGES / name).write_bytes(content)
                    said = {"id": row.key, "caption": row.caption or "", "image": name}
                    predictions.write(json.dumps(said) + "\n")
                    references.write(json.dumps({"id": row.key, "references": row.references}) + "\n")
                    written += 1
    except OSError as error:
        raise UserError(
            f"--export {folder} cannot be written: {describe(error)}. Name a new folder."
        ) from None
    return written, len(captions.rows) - written
