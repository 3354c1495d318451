"""`maccap demo`: the whole product on a thousand rendered scenes that no training has shown."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.archive import Model
from jobs.output import answer, say

if TYPE_CHECKING:
    from pipeline.inspect.examples import Example

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where scenes, captions and sheet go.")]
Count = Annotated[int, typer.Option(min=2, help="How many scenes.")]
Seed = Annotated[int, typer.Option(min=0, help="Which scenes, and the seed of noise and sampling.")]

_SCENES, _RUN, _SHEET = "scenes", "run", "contact_sheet.png"
_SHEET_IMAGES, _PAGE_IMAGES, _EXAMPLES = 25, 200, 10


def main(
    folder: Folder = Path("demo"), count: Count = 1000, seed: Seed = 20_260_101, model: Model = None
) -> None:
    """Render unseen scenes, caption them, score the captions, and draw a sheet and a page of them."""
    from maccap.bundle import built_in_bundle_path
    from pipeline.prepare import open_bundle
    from pipeline.storage.extras import require

    bundle = model or str(built_in_bundle_path())
    open_bundle(bundle)  # before anything of an earlier demo is removed
    require("pycocoevalcap", "the demo's scores (CIDEr-D)")
    start_afresh(folder)
    try:
        show(folder, count, seed, bundle)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped. The same command starts afresh.") from None


def show(folder: Path, count: int, seed: int, bundle: str) -> None:
    """The five steps of the demo, in a `folder` that holds nothing of an earlier one."""
    from jobs.scenes import write_scenes
    from jobs.sheet import write_sheet
    from maccap.scenes.world.archive import ArchiveConfig
    from pipeline.caption import caption_archive
    from pipeline.evaluate.captions import WITH_CANDIDATES, read_rows
    from pipeline.evaluate.scenes import scenes_json, scenes_table, score_scenes
    from pipeline.inspect.examples import pick_examples
    from pipeline.report.report import ReportConfig, write_report
    from pipeline.run.config import load_config

    scenes, run, sheet = folder / _SCENES, str(folder / _RUN), folder / _SHEET
    say(f"1/5  rendering {count:,} scenes into {scenes}")
    write_scenes(scenes, ArchiveConfig(split="test", count=count, seed=seed))
    say(f"2/5  captioning them into {run}, as `maccap caption {scenes} {run}` does")
    config = load_config(None, {"seed": seed})
    summary = caption_archive(str(scenes), run, bundle, config)
    say("3/5  scoring the captions against the scenes")
    report = score_scenes(read_rows(run, WITH_CANDIDATES), run)
    say("4/5  drawing the contact sheet")
    drawn = write_sheet(run, sheet, _SHEET_IMAGES, seed)
    say(f"5/5  writing a page about the run, as `maccap report {run}` does")
    page = write_report(run, None, ReportConfig(images=_PAGE_IMAGES, seed=seed)).page

    answer(f"\n{summary.captioned:,} of {summary.rows:,} images captioned, "
          f"{summary.images_per_second:.1f} images/s\n")  # fmt: skip
    answer(scenes_table(report), end="\n\n")
    answer(_beside_references(pick_examples(run, _EXAMPLES, seed)), end="\n\n")
    answer(f"{drawn} images with their captions: {sheet.absolute()}")
    answer(f"the run as a page, to open in a browser: {page}")
    answer(json.dumps({"summary": summary.model_dump(), "scores": scenes_json(report)}))


def start_afresh(folder: Path) -> None:
    """Remove what an earlier demo left in `folder`, and nothing else. Raises UserError, before anything is
    removed, where something else has a name that the demo needs.
    """
    from maccap.scenes.world.archive import ARCHIVE_FILE
    from pipeline.storage.errors import UserError

    scenes, run, sheet = folder / _SCENES, folder / _RUN, folder / _SHEET
    ran = _is_run_of(scenes, run)
    of_a_demo = {
        sheet: ran and sheet.is_file(),
        run: ran or _is_empty_folder(run),
        scenes: (scenes / ARCHIVE_FILE).is_file() or _is_empty_folder(scenes),
    }
    old = [part for part in of_a_demo if part.is_symlink() or part.exists()]
    for part in old:
        if part.is_symlink() or not of_a_demo[part]:
            raise UserError(f"{part} was not made by a demo. Move it away, or name another folder.")
    if old:
        say(f"starting afresh: removing {', '.join(map(str, old))}")
    for part in old:
        if part == sheet:
            part.unlink()
        else:
            shutil.rmtree(part)


def _is_run_of(scenes: Path, run: Path) -> bool:
    from pipeline.run.run_folder import RUN_FILE

    try:
        source = json.loads((run / RUN_FILE).read_bytes())["source"]
        return Path(source).resolve() == scenes.resolve()
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _is_empty_folder(part: Path) -> bool:
    return part.is_dir() and not any(part.iterdir())


def _beside_references(examples: "list[Example]") -> str:
    """Captions in one column, a reference each in the other."""
    pairs = [("caption", "one of its references"), ("", "")]
    pairs += [(example.caption or f"({example.error})", example.reference or "") for example in examples]
    width = max(len(caption) for caption, _ in pairs)
    return "\n".join(f"{caption:{width}}   {wanted}".rstrip() for caption, wanted in pairs)


if __name__ == "__main__":
    from jobs.cli import run_command

    run_command(main)
