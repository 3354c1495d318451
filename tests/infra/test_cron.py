"""infra/cron: the CronJob is of its schema and knows our exit codes; both recipes run a command of ours."""

import re
import shlex

import yaml

from jobs.cli import USER_ERROR
from tests.infra.test_kuberay import parse
from tests.infra.validate import INFRA, container_of, problems

CRONJOB = yaml.safe_load((INFRA / "cron/cronjob.yaml").read_text())


def test_the_cronjob_is_of_its_schema() -> None:
    assert problems("CronJob", CRONJOB) == []
    assert problems("CronJob", {**CRONJOB, "spec": {**CRONJOB["spec"], "timezone": "Etc/UTC"}})


def test_mistakes_are_not_repeated() -> None:
    job = CRONJOB["spec"]["jobTemplate"]["spec"]
    mistakes, _ = job["podFailurePolicy"]["rules"]
    assert mistakes["onExitCodes"]["values"] == [USER_ERROR]
    container = container_of(job["template"]["spec"])
    assert mistakes["onExitCodes"]["containerName"] == container["name"]
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # which a failure policy needs


def test_both_accept_what_is_new() -> None:
    [line] = [line for line in (INFRA / "cron/crontab").read_text().splitlines() if not line.startswith("#")]
    assert re.match(r"15 2 \* \* \*  flock --nonblock ", line)
    words = shlex.split(line.partition(">>")[0])
    in_crontab = words[words.index("caption") :]
    in_cronjob = container_of(CRONJOB["spec"]["jobTemplate"]["spec"]["template"]["spec"])["args"]
    for command, *given in (in_crontab, in_cronjob):
        assert command == "caption"
        assert parse(command, given)["accept_changed"]
