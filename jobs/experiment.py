"""`maccap experiment NAME --data FOLDER`: an experiment of the paper, from the official files to a table.

On a cluster: `ray job submit --working-dir . -- python -m jobs.experiment NAME --data FOLDER`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.archive import Local
from jobs.ending import resumable
from jobs.output import answer, hush_downloads, say

if TYPE_CHECKING:
    from maccap.config import ClipSource

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The experiment; --list names them.")]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="The folder of the data sets' own files and images, unpacked in it or up to two folders below; "
        "--check says which.",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER", help="Bundles and results. Experiments that train on the same captions share one."
    ),
]
Clip = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Another CLIP, as open_clip names it, or a folder in its format; default: ViT-B/32.",
    ),
]
Pretrained = Annotated[str | None, typer.Option(metavar="TAG", help="open_clip's tag of its weights.")]
Llm = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Another language model, by Hugging Face name or folder; default: OPT-1.3b."
    ),
]
Epochs = Annotated[float | None, typer.Option(help="Passes over the captions; default: the authors'.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")]
Check = Annotated[bool, typer.Option("--check", help="Only list what is here and what is missing.")]
ListThem = Annotated[bool, typer.Option("--list", help="Name the experiments.")]


def main(
    name: Name = None,
    data: Data = None,
    output: Output = Path("experiments"),
    clip: Clip = None,
    pretrained: Pretrained = None,
    llm: Llm = None,
    epochs: Epochs = None,
    limit: Limit = None,
    check: Check = False,
    list_them: ListThem = False,
    local: Local = False,
) -> None:
    """Repeat an experiment of the paper: train on its captions, caption its images, score them.

    What is missing is listed before anything starts. The same command again resumes. The last line is JSON.
    """
    from maccap.config import LanguageModelSource
    from pipeline.experiments import checklist as checklists
    from pipeline.experiments import registry
    from pipeline.experiments.run import Changes, run_experiment
    from pipeline.experiments.table import as_text
    from pipeline.storage.errors import UserError
    from pipeline.storage.extras import require

    if list_them:
        for one in registry.EXPERIMENTS:
            answer(f"{one.name:20}{one.texts.file.name} -> {one.benchmark.title}")
        return
    if name is None or data is None:
        raise UserError("give the NAME of an experiment and --data FOLDER; --list names the experiments.")
    if epochs is not None and epochs <= 0:
        raise UserError(f"--epochs {epochs:g}: give a number above 0, such as 0.5.")
    experiment = registry.find_experiment(name)
    models = (_clip(clip, pretrained), LanguageModelSource(name=llm) if llm else registry.LANGUAGE_MODEL)
    found = checklists.check(experiment, data, *models, limit)
    for line in found.lines() if check else ():
        answer(line)
    found.require()
    if check:
        return
    require("pycocoevalcap", "scoring captions (BLEU, METEOR, ROUGE-L, CIDEr-D)")
    hush_downloads()
    from transformers.utils import logging

    logging.disable_progress_bar()
    changes = Changes(clip=models[0], llm=models[1], epochs=epochs, limit=limit)
    with resumable(output):
        results = run_experiment(found, output, changes, local, say)
    answer(as_text(results), end="\n\n")
    answer(results.model_dump_json())


def _clip(name: str | None, pretrained: str | None) -> "ClipSource":
    from maccap.config import ClipSource
    from pipeline.experiments import registry
    from pipeline.storage.errors import UserError

    if pretrained is not None and name is None:
        raise UserError("--pretrained names the weights of --clip; give that too.")
    return registry.CLIP if name is None else ClipSource(name=name, pretrained=pretrained)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
