"""Which rows of a run the references are of: one rule for the whole file (`pipeline.join.image_names`)."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipeline.evaluate.captions import WITH_CANDIDATES, Captions, Row, read_rows
from pipeline.evaluate.name_index import NameIndex
from pipeline.evaluate.references import Fields, Reference, References, metadata_fields, texts_in
from pipeline.inspect.caption_table import table_columns
from pipeline.join.image_names import NAME_RULES, NameRule
from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable

_EXAMPLES = 3


@dataclass
class Joined:
    """How a run's rows and a file's images met. `rule` is None where the samples brought their references."""

    rule: NameRule | None
    images: int = 0
    rows_without_references: int = 0
    images_without_row: int = 0
    unreadable_records: int = 0  # of the file: without a caption, or a name
    row_examples: list[str] = field(default_factory=list)
    image_examples: list[str] = field(default_factory=list)

    def left_out(self, row: Row) -> None:
        self.rows_without_references += 1
        if len(self.row_examples) < _EXAMPLES:
            self.row_examples.append(printable(row.image_id))

    def without_row(self, references: Iterable[Reference]) -> None:
        for reference in references:
            self.images_without_row += 1
            if len(self.image_examples) < _EXAMPLES:
                self.image_examples.append(printable(str(reference.names[0])))


def join_references(
    run: str, references: References, index: NameIndex, rule: NameRule | None
) -> tuple[Captions, Joined]:
    """The rows of `run` that have references, whose names are in `index`; by `rule`, or the one that finds
    most. Raises UserError where two rows have one name, or none has references.
    """
    rule = rule or index.rule_for(lambda: read_rows(run, ("image_id", "metadata")), f"RUN {run}")
    joined, images = Joined(rule, unreadable_records=references.unreadable), references.images
    rows, taken = list[Row](), dict[int, str]()
    for row in read_rows(run):
        place = index.place_of(rule, row)
        if place is None:
            joined.left_out(row)
            continue
        reference, other = images[place], taken.setdefault(place, row.image_id)
        if len(taken) == len(rows):
            raise UserError(
                f"two rows of RUN {run} are the image {printable(str(reference.names[0]))} of the references "
                f"by the rule `{rule}`: {printable(other)} and {printable(row.image_id)}. Choose a stricter "
                f"one with --join-on ({', '.join(NAME_RULES)}), or give a run that has each image once."
            )
        rows.append(
            replace(
                row,
                key=str(reference.names[0]),
                references=tuple(reference.texts),
                group=reference.group,
            )
        )
    if not rows:
        raise UserError(
            f"no image of RUN {run} is among the references by the rule `{rule}`. Choose another with "
            "--join-on, or leave it out."
        )
    joined.images = len(rows)
    joined.without_row(one for place, one in enumerate(images) if place not in taken)
    return Captions(run, rows, table_columns(run)), joined


def own_references(run: str, fields: Fields) -> tuple[Captions, Joined]:
    """The rows of `run` whose samples brought captions in their metadata. Raises UserError for none."""
    joined, rows, names = Joined(None), [], dict[str, None]()
    for row in read_rows(run):
        metadata = metadata_fields(row.metadata)
        texts = texts_in(metadata, fields.captions)
        if texts is None:
            names.update(dict.fromkeys(metadata))
            joined.left_out(row)
            continue
        rows.append(replace(row, references=tuple(" ".join(text.splitlines()) for text in texts)))
    if not rows:
        there = ", ".join(map(printable, list(names)[:20])) or "no fields"
        raise UserError(
            f"no row of RUN {run} has captions in its metadata, which has {there}. Name the field that holds "
            "them with --column, or give --references a file."
        )
    joined.images = len(rows)
    return Captions(run, rows, table_columns(run)), joined


def all_rows(run: str) -> Captions:
    """Every row of `run`, for scores that need no references."""
    return Captions(run, list(read_rows(run, WITH_CANDIDATES)), table_columns(run))
