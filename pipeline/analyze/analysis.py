"""`analysis.json`: what was analysed, what was found, and what that says."""

from maccap.config import Config
from pipeline.analyze.findings import Findings
from pipeline.analyze.verdicts import Verdict

ANALYSIS_FILE = "analysis.json"


class Analysis(Config):
    """`captions` are the fields that captions were looked for in, none for one known to hold them; `left_out`
    counts the files of SOURCE that are none of its images, by kind.
    """

    source: str
    taken_for: str
    left_out: dict[str, int]
    captions: tuple[str, ...]
    limit: int | None
    model: str
    model_fingerprint: str
    seed: int
    version: str
    verdicts: list[Verdict]
    findings: Findings
