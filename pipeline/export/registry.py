"""All formats. To add one, write its class (see `format.py`) and add its line here."""

from pipeline.export.coco import CocoResults
from pipeline.export.csv_rows import CsvRows
from pipeline.export.format import Format
from pipeline.export.huggingface import HuggingFace
from pipeline.export.imagefolder import ImageFolderFiles
from pipeline.export.json_lines import JsonLines
from pipeline.export.options import ExportOptions
from pipeline.export.parquet import ParquetTable
from pipeline.export.run_table import RunTable
from pipeline.export.vqa import VqaResults
from pipeline.export.webdataset import WebDataset
from pipeline.storage.errors import UserError

FORMATS: dict[str, type[Format]] = {
    one.name: one
    for one in (
        WebDataset,
        ImageFolderFiles,
        HuggingFace,
        ParquetTable,
        JsonLines,
        CsvRows,
        CocoResults,
        VqaResults,
    )
}

_OF_SOME = {"captions_only": "--captions-only", "columns": "--columns", "images": "--images"}
_MADE_BY = {"caption": "`maccap caption`", "answers": "`maccap ask`"}


def build_format(options: ExportOptions, table: RunTable) -> Format:
    """The format that is asked for. Raises UserError for one that is not known, for options that are
    another's, and for a run without what it needs.
    """
    kind = FORMATS.get(options.format)
    if kind is None:
        known = "\n  ".join(f"{name}: {one.about}" for name, one in FORMATS.items())
        raise UserError(f"--format {options.format} is not known. Choose one of\n  {known}")
    for name, option in _OF_SOME.items():
        if getattr(options, name) and name not in kind.options:
            owners = " and ".join(one.name for one in FORMATS.values() if name in one.options)
            raise UserError(f"{option} is of {owners}, not of {kind.name}. Leave it out.")
    if options.per_file is not None and kind.per_file is None:
        raise UserError(f"--per-file: {kind.name} is one file per split. Leave it out.")
    if kind.needs and kind.needs not in table.columns:
        raise UserError(
            f"--format {kind.name} is of a run made by {_MADE_BY[kind.needs]}: this one has no {kind.needs}."
        )
    if options.captions != 1 and "candidates" not in table.columns:
        raise UserError("--captions: this run has no candidates to choose from. Leave it out.")
    if options.below is not None and "clip_score" not in table.columns:
        raise UserError("--below is a score of captions, and this run has none. Leave it out.")
    return kind(options, table)
