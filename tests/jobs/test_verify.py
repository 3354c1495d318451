"""`maccap verify` as a person runs it: exit code, what is said where, and the JSON line."""

import json
import subprocess
from pathlib import Path

from pipeline.caption import caption_archive
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from tests.commands import maccap, run_here
from tests.images import write_shard

CONFIG = CaptionJobConfig(chunk_rows=2)


def _verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_here(maccap("verify", *arguments))


def test_verify_says_what_is_wrong_and_how_to_mend_it(tmp_path: Path, small_bundle: Path) -> None:
    source, output = str(write_shard(tmp_path / "a.tar", 3)), tmp_path / "run"
    bundle, plan = open_bundle(str(small_bundle)), plan_source(source)
    facts = run_facts(source, plan, str(small_bundle), bundle, CONFIG, "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    stages = CaptionStages(str(output), bundle.pixel_spec(), facts, CONFIG)
    assert len(list(caption_in_process(stages, [ShardWork(shard) for shard in plan.shards]))) == 2
    caption_archive(source, str(output), str(small_bundle), CONFIG)

    whole = _verify(str(output))
    assert whole.returncode == 0, whole.stderr
    (line,) = whole.stdout.splitlines()
    facts_said = json.loads(line)
    assert facts_said["ok"] is True
    assert [facts_said[name] for name in ("shards_checked", "chunks", "rows", "problems")] == [1, 2, 3, 0]
    assert "is whole" in whole.stderr

    first, last = sorted((output / "captions").iterdir())
    last.unlink()
    (tmp_path / "a.tar").unlink()
    broken = _verify(str(output), "--no-source")
    assert broken.returncode == 1
    problem, line = broken.stdout.splitlines()
    assert problem.startswith(str(last))
    assert "Start the same command again" in problem
    assert json.loads(line)["ok"] is False
    assert json.loads(line)["rows"] == 2

    gone = _verify(str(output))
    assert gone.returncode == 2
    assert "--no-source" in gone.stderr
    assert "Traceback" not in broken.stderr + gone.stderr
    assert first.exists()
