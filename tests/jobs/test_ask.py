"""`maccap ask` as a person runs it, also for archive.py: on a real Ray or without, a tiny random model."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from maccap.captioner import Captioner
from maccap.config import AskConfig
from tests.commands import interrupted, maccap, run, run_here
from tests.images import encoded, picture, write_tar
from tests.tables import file_hashes

IMAGES = 24
QUESTIONS = ["a red dog", "the cat and a dog"]
Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tars of COCO's names; each third sample asks questions of its own. One image is broken."""
    folder = tmp_path_factory.mktemp("asked")
    for part in range(2):
        members = []
        for number in range(part * IMAGES // 2, (part + 1) * IMAGES // 2):
            name = f"COCO_val2014_{number:012d}"
            own = (
                {"questions": [{"question_id": f"q{number}", "question": "a cat"}]} if number % 3 == 0 else {}
            )
            members.append((f"{name}.jpg", b"broken" if number == 5 else encoded(picture(number))))
            members.append((f"{name}.json", json.dumps({"number": number, **own}).encode()))
        write_tar(folder / f"part-{part}.tar", members)
    return folder


@pytest.fixture(scope="module")
def ask(archive: Path, small_bundle: Path) -> Ask:
    def build(output: Path, *options: object, source: str | None = None) -> list[str]:
        settings = ["--model", small_bundle, "--chunk-rows", 4, *options]
        return maccap("ask", source or f"{archive}/*.tar", output, *settings)

    return build


def rows_of(output: Path) -> dict[str, dict]:
    table = pq.read_table(output / "captions")
    return {row["image_id"].rsplit("_", 1)[-1]: row for row in table.to_pylist()}


def test_every_image_is_asked_the_same_on_ray_killed_and_resumed(tmp_path: Path, ask: Ask) -> None:
    options = [option for question in QUESTIONS for option in ("--question", question)]
    whole = run_here(ask(tmp_path / "whole", *options, "--local"))
    assert whole.returncode == 0, whole.stderr
    summary = json.loads(whole.stdout.splitlines()[-1])
    assert summary["questions"] == 2 * (IMAGES - 1)
    assert (summary["rows"], summary["errors"], summary["unanswered"]) == (IMAGES, 1, 0)
    assert "captioned" not in summary

    output = tmp_path / "run"
    killed = interrupted(
        ask(output, *options),
        lambda: len(list(output.glob("captions/*.parquet"))) >= 2,
        lambda process: process.send_signal(signal.SIGKILL),
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (output / "_SUCCESS").exists()
    resumed = run_here(ask(output, *options, "--local"))
    assert resumed.returncode == 0, resumed.stderr
    assert [
        len(set(files)) for files in zip(file_hashes(tmp_path / "whole"), file_hashes(output), strict=True)
    ]
    ours, theirs = rows_of(output), rows_of(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    for name, row in ours.items():
        assert (row["answers"] is None) == (row["error"] is not None)
        assert [one["answer"] for one in row["answers"] or []] == [
            one["answer"] for one in theirs[name]["answers"] or []
        ]
    assert json.loads(run_here(maccap("verify", output)).stdout.splitlines()[-1])["ok"]
    again = run_here(ask(output, "--question", "a red dog"))
    assert again.returncode == 2
    assert "questions: was" in again.stderr


def test_answers_are_those_of_python(tmp_path: Path, ask: Ask, small_bundle: Path) -> None:
    done = run_here(ask(tmp_path / "run", "--question", "a red dog", "--draws", 3, "--local", "--seed", 4))
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run")
    names = [name for name, row in rows.items() if row["error"] is None]
    asking = AskConfig.model_validate({"decoding": {"candidates": 3}})
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).write_bytes(encoded(picture(int(name))))
    answers = Captioner.from_pretrained(small_bundle, device="cpu").ask(
        [tmp_path / "images" / name for name in names],
        ["a red dog"],
        ids=[rows[name]["image_id"] for name in names],
        seed=4,
        asking=asking,
    )
    assert [rows[name]["answers"][0]["answer"] for name in names] == [answer.text for (answer,) in answers]


def test_samples_ask_for_themselves_and_are_captioned_too(tmp_path: Path, ask: Ask) -> None:
    done = run_here(ask(tmp_path / "run", "--caption", "--local"))
    assert done.returncode == 0, done.stderr
    for name, row in rows_of(tmp_path / "run").items():
        if row["error"] is None:
            own = [f"q{int(name)}"] if int(name) % 3 == 0 else []
            assert [one["question_id"] for one in row["answers"]] == own
            assert row["caption"]
    captioned = tmp_path / "captioned"
    alone = [*ask(captioned, "--local")]
    alone[alone.index("ask")] = "caption"
    assert run_here(alone).returncode == 0
    assert {name: row["caption"] for name, row in rows_of(captioned).items()} == {
        name: row["caption"] for name, row in rows_of(tmp_path / "run").items()
    }


@pytest.fixture
def vqa(tmp_path: Path) -> Path:
    """VQAv2's form: three questions of each even image, and one of an image that is not there."""
    images = [*range(0, IMAGES, 2), 999]
    questions = [
        {"image_id": image, "question": f"{QUESTIONS[place % 2]} {place}", "question_id": image * 10 + place}
        for image in images
        for place in range(3 if image < IMAGES else 1)
    ]
    path = tmp_path / "v2_questions.json"
    path.write_text(json.dumps({"task_type": "Open-Ended", "questions": questions}))
    return path


def test_a_file_of_questions_is_joined_counted_and_pinned(tmp_path: Path, ask: Ask, vqa: Path) -> None:
    output = tmp_path / "run"
    done = run_here(ask(output, "--questions", vqa, "--local"))
    assert done.returncode == 0, done.stderr
    assert "joined on number" in done.stderr
    for name, row in rows_of(output).items():
        if row["error"] is None:
            wanted = [str(int(name) * 10 + place) for place in range(3)] if int(name) % 2 == 0 else []
            assert [one["question_id"] for one in row["answers"]] == wanted
    summary = json.loads((output / "summary.json").read_text())
    assert summary["unasked"] == {"questions": 1, "images": 1, "first": ["9990"], "first_images": ["999"]}
    assert summary["questions"] == 3 * IMAGES // 2
    assert "1 questions are about 1 images that are not here" in done.stderr

    (output / "_SUCCESS").unlink()
    next((output / "captions").glob("*.parquet")).unlink()
    changed = vqa.read_text().replace("red dog 0", "red cat 0")
    vqa.write_text(changed)
    refused = run_here(ask(output, "--questions", vqa, "--local"))
    assert refused.returncode == 2
    assert "are not those that the run" in refused.stderr
    vqa.write_text(changed.replace("red cat 0", "red dog 0"))
    assert run_here(ask(output, "--questions", vqa, "--local")).returncode == 0
    assert (output / "_SUCCESS").exists()


def test_questions_that_are_put_to_two_images_are_refused(
    tmp_path: Path, ask: Ask, vqa: Path, archive: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "COCO_val2014_000000000002.jpg").write_bytes(encoded(picture(2)))
    refused = run_here(ask(tmp_path / "run", "--questions", vqa, "--local", source=str(tmp_path)))
    assert refused.returncode == 2
    assert "several images have the number 2" in refused.stderr
    assert not (tmp_path / "run" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--question", "a", "--question", "a"], "same question is given twice"),
        (["--question", " "], "must not be empty"),
        (["--question", "a", "--questions", "q.json"], "not both"),
        (["--questions", "nowhere.json"], "nowhere.json"),
        (["--question", "a", "--join-on", "hash"], "join_on"),
        (["--question", "a", "--join-on", "stem"], "join_on says which name a file"),
        (["--question", "a", "--draws", "0"], "candidates"),
        (["--question", "a", "--answers", "nowhere.txt"], "nowhere.txt"),
        (["--question", "a", "--answer", "yes", "--answer", "yes"], "distinct"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, ask: Ask, options: list[str], said: str) -> None:
    done = run_here(ask(tmp_path / "run", *options, "--local"))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_duplicate_question_ids_are_refused(tmp_path: Path, ask: Ask) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"image_id": 1, "question_id": 7, "question": "a"}\n' * 2)
    done = run_here(ask(tmp_path / "run", "--questions", path, "--local"))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "7" in done.stderr


def test_allowed_answers(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "answers.txt").write_text("a dog\n\ngrass\n")
    options = [
        "--question",
        "a red dog",
        "--answer",
        "a cat",
        "--answers",
        tmp_path / "answers.txt",
        "--local",
    ]
    done = run_here(ask(tmp_path / "run", *options))
    assert done.returncode == 0, done.stderr
    answers = {row["answers"][0]["answer"] for row in rows_of(tmp_path / "run").values() if row["answers"]}
    assert answers <= {"a cat", "a dog", "grass"}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["asking"]["answers"] == [
        *("a cat", "a dog", "grass")
    ]


def test_the_command_s_help_imports_nothing_heavy() -> None:
    program = "import sys, jobs.ask, jobs.caption; print([m for m in ('torch', 'ray') if m in sys.modules])"
    assert run([sys.executable, "-c", program]).stdout.strip() == "[]"


def test_a_run_that_asked_nothing_is_not_done(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(encoded(picture(1)))
    done = run_here(ask(tmp_path / "run", "--local", source=str(tmp_path / "images")))
    assert done.returncode == 2
    assert "no image was asked anything" in done.stderr
    assert not (tmp_path / "run" / "_SUCCESS").exists()
