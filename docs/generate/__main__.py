"""python -m docs.generate: write what the code knows into its pages."""

from docs.generate import DOCS, PARTS, written

for page in PARTS:
    (DOCS / page).write_text(written(page), encoding="utf-8")
