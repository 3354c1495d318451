"""Captions to train on: from CAPTIONS, as a person wrote it, to a set of clean and distinct texts.

    files.py        the caption files that paths, folders, patterns and URLs stand for
    layout.py       what the files of a folder are, by their names
    read.py         the captions of one file, by its extension
    table.py, annotations.py, records.py, parquet.py, tar.py    the formats
    columns.py      which column or field holds the captions
    names.py        texts that are file names, URLs or ids
    clean.py        what is kept of a caption, and why one is dropped
    caption_set.py  the distinct captions, with counts of everything dropped
    load.py         all of it together
    held_out.py     captions set aside for evaluation

Importing it imports neither torch nor Ray.
"""

from pipeline.texts.caption_set import CaptionSet, Dropped, DroppedText
from pipeline.texts.clean import Reason
from pipeline.texts.config import TextConfig
from pipeline.texts.held_out import Division, hold_out
from pipeline.texts.load import load_captions

__all__ = [
    "CaptionSet",
    "Division",
    "Dropped",
    "DroppedText",
    "Reason",
    "TextConfig",
    "hold_out",
    "load_captions",
]
