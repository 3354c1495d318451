"""`maccap evaluate RUN --references FILE`: score a run's captions by the official metrics."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.output import answer, say

if TYPE_CHECKING:
    from pipeline.evaluate.references import Fields
    from pipeline.join.image_names import NameRule

Run = Annotated[str, typer.Argument(metavar="RUN", help="The OUTPUT of `maccap caption` or `maccap ask`.")]
References = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Captions that people wrote: COCO's or NoCaps' annotations, Karpathy's split, Flickr30k's token "
        "file; a list, lines or a table (json, jsonl, csv, tsv, Parquet) with image and caption; or "
        "`metadata`, where the samples brought them. Rendered scenes need none.",
    ),
]
Column = Annotated[str | None, typer.Option(help="The column or field of the references with captions.")]
ImageColumn = Annotated[str | None, typer.Option(help="The column that names the image.")]
Split = Annotated[list[str] | None, typer.Option(help="Split of references that name them; may be repeated.")]
JoinOn = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="How names are compared: image_id, path, name, stem, metadata or number; default: the rule that "
        "finds most images, for the whole file.",
    ),
]
Clip = Annotated[
    str | None,
    typer.Option(
        help="Add CLIPScore by this CLIP: open_clip's name, or a folder in its format; `run`: the run's own."
    ),
]
ClipPretrained = Annotated[str | None, typer.Option(metavar="TAG", help="open_clip's tag of its weights.")]
Instances = Annotated[
    str | None, typer.Option(metavar="FILE", help="Add CHAIR, by COCO's annotations of objects.")
]
Synonyms = Annotated[
    str | None, typer.Option(metavar="FILE", help="CHAIR's words: the list of its paper; default: our own.")
]
Answers = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Human answers, of VQA's annotations; default: the samples' own."),
]
Spice = Annotated[bool, typer.Option("--spice", help="Try SPICE too, which needs Java 8 and the web.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(metavar="RUN2", help="Another run, side by side on the same images; may be repeated."),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the bootstrap samples.")]
Export = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Write what capevalkit reads, for metrics such as Polos and PAC-S."),
]
OutputFile = Annotated[
    Path | None, typer.Option("--output", metavar="FILE", help="Write the last line to this file, too.")
]
JsonOnly = Annotated[bool, typer.Option("--json", help="Print the JSON line alone.")]


def main(
    run: Run,
    references: References = None,
    column: Column = None,
    image_column: ImageColumn = None,
    split: Split = None,
    join_on: JoinOn = None,
    clip: Clip = None,
    clip_pretrained: ClipPretrained = None,
    instances: Instances = None,
    synonyms: Synonyms = None,
    answers: Answers = None,
    spice: Spice = False,
    compare: Compare = None,
    seed: Seed = 0,
    export: Export = None,
    output: OutputFile = None,
    json_only: JsonOnly = False,
) -> None:
    """Score a run against references, with 95 % intervals, and beside other runs. The last line is JSON.

    A row without a caption is scored as an empty caption.
    """
    from pipeline.evaluate.evaluate import Settings, evaluate, joined_captions
    from pipeline.evaluate.export import export as write_export
    from pipeline.evaluate.references import Fields
    from pipeline.evaluate.registry import MetricOptions, metrics
    from pipeline.evaluate.report import join_lines, report
    from pipeline.storage.errors import UserError

    fields = Fields(column, image_column, tuple(split or ()))
    _check(references, fields, join_on, clip, clip_pretrained, instances, synonyms)
    chosen = metrics(MetricOptions(spice, clip, clip_pretrained, instances, synonyms, answers))
    settings = Settings(references, fields, _rule(join_on), seed)
    runs = joined_captions([run, *(compare or ())], settings)
    for captions, joined in runs:
        for line in join_lines(captions.run, joined) if joined else ():
            say(line)
    if export is not None:
        written, lost = write_export(runs[0][0], export)
        say(f"{export}: {written:,} captions with images" + (f", {lost:,} images are gone" if lost else ""))
    evaluation = evaluate(runs, chosen, settings)
    line = evaluation.model_dump_json()
    if not json_only:
        answer(report(evaluation), end="\n\n")
    answer(line)
    if output is not None:
        try:
            output.write_text(line + "\n")
        except OSError as error:
            raise UserError(f"--output {output} cannot be written: {error}") from None


def _rule(name: str | None) -> "NameRule | None":
    from pipeline.join.image_names import NAME_RULES
    from pipeline.storage.errors import UserError

    rule = next((rule for rule in NAME_RULES if rule == name), None)
    if rule is None and name is not None:
        raise UserError(f"--join-on {name}: choose one of {', '.join(NAME_RULES)}")
    return rule


def _check(
    references: str | None,
    fields: "Fields",
    join_on: str | None,
    clip: str | None,
    clip_pretrained: str | None,
    instances: str | None,
    synonyms: str | None,
) -> None:
    """Raises UserError for an option without the one that it belongs to."""
    from pipeline.storage.errors import UserError

    of_references = {
        "--column": fields.captions,
        "--image-column": fields.image,
        "--split": fields.splits,
        "--join-on": join_on,
    }
    for option, value in of_references.items():
        if value and references is None:
            raise UserError(f"{option} says something of --references; give that too.")
    if references == "metadata" and (fields.image or fields.splits or join_on):
        raise UserError("references of `metadata` are the samples' own: only --column says more of them.")
    if clip_pretrained is not None and clip is None:
        raise UserError("--clip-pretrained names the weights of --clip; give that too.")
    if synonyms is not None and instances is None:
        raise UserError("--synonyms are the words of CHAIR; give --instances too.")


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
