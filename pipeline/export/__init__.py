"""Captions as trainers load them: beside their images, in the formats that others read.

selection.py      which rows go into the export, and into which split (condition.py, derived.py)
parts.py          which rows go into which file
source_images.py  the images of the rows, read again from the run's source
format.py         what a format is; registry.py has them all
export.py         all of it together
"""
