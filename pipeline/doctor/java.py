"""Java, in which coco-caption's tokeniser and METEOR are written."""

import shutil
import subprocess
from collections.abc import Iterator

from pipeline.doctor.check import Finding

_SECONDS = 20.0


def java() -> Iterator[Finding]:
    fix = "apt-get install default-jre-headless"
    program = shutil.which("java")
    if program is None:
        yield Finding("optional", "no Java: no BLEU, METEOR, ROUGE-L and CIDEr-D of `evaluate`", fix)
        return
    done = subprocess.run([program, "-version"], capture_output=True, timeout=_SECONDS, check=False)
    said = (done.stderr or done.stdout).decode("utf-8", "replace").partition("\n")[0]
    if done.returncode:
        yield Finding("warning", f"{program} does not run: {said or done.returncode}", fix)
    else:
        yield Finding("ok", said)
