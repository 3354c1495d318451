"""infra/alerts.yml and the dashboard: every rule fires when it should, every query is of metrics that there
are, and has data while a real run goes on. For pipeline/execution/metrics.py and export_metrics.py too.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray.dashboard
import yaml

from pipeline.execution.metrics import METRICS
from tests.commands import REPOSITORY, environment
from tests.images import write_shard, write_tar
from tests.infra.kustomize import build
from tests.infra.monitoring import cut, held, prometheus, ray_head
from tests.infra.validate import INFRA

DASHBOARD = INFRA / "compose/grafana/dashboards/maccap.json"
ALERTS = INFRA / "alerts.yml"
NO_DATA_HERE = {"ray_node_gpus_utilization", "ray_node_failure_total"}
"""What Ray exports where there are GPUs, and once a node is lost."""

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus is not installed (Debian: apt-get install prometheus)",
)


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text())["panels"])


def queries(panels: list[dict[str, Any]]) -> list[str]:
    """Of the dashboard, as Grafana asks them, and of the alerts without what their values are compared to."""
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    asked = [each.replace("$__rate_interval", "1m").replace("$run", ".+") for each in asked]
    rules = [re.sub(r" [<>] [\d.]+", "", rule["expr"]) for rule in alerts()]
    return asked + [rule.replace(" > max", " and max") for rule in rules]


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return list(group["rules"])


def metrics_of(query: str) -> set[str]:
    return set(re.findall(r"\bray_\w+", query))


def ours() -> set[str]:
    ends = {"histogram": ("_bucket", "_sum", "_count")}
    return {f"{one.exported}{end}" for one in METRICS for end in ends.get(one.kind, ("",))}


def of_ray() -> set[str]:
    """Those of the dashboards that Ray brings along, and one that they do not show."""
    folder = Path(ray.dashboard.__file__).parent / "modules/metrics/dashboards"
    shown = {name for file in folder.glob("*.py") for name in re.findall(r"ray_node_\w+", file.read_text())}
    return {*shown, "ray_node_failure_total"}


def test_names_say_their_units() -> None:
    assert len({one.name for one in METRICS}) == len(METRICS)
    for one in METRICS:
        assert re.fullmatch(r"maccap(_[a-z]+)+", one.name)
        assert not one.name.endswith("_total")  # Ray adds it
        assert one.about
        assert bool(one.buckets) == (one.kind == "histogram")
        assert list(one.buckets) == sorted(set(one.buckets))
        assert {"run"} <= set(one.tags) <= {"run", "stage", "kind"}


def test_panels_are_whole(panels: list[dict[str, Any]]) -> None:
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])


def test_queries_are_of_metrics_that_there_are(panels: list[dict[str, Any]]) -> None:
    asked = {name for query in queries(panels) for name in metrics_of(query)}
    assert asked <= ours() | of_ray()
    histograms = {one.exported for one in METRICS if one.kind == "histogram"}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert {one.exported for one in METRICS} <= shown | histograms
    assert histograms <= shown


def test_alerts_say_what_to_do(panels: list[dict[str, Any]]) -> None:
    titles = {panel["title"] for panel in panels}
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert "$" in rule["annotations"]["summary"]
        told = re.findall(r'"([^"]+)"', rule["annotations"]["description"])
        assert all(any(title.startswith(name) for title in titles) for name in told), told


def test_kubernetes_gets_the_same_alerts() -> None:
    folder = INFRA / "kuberay/monitoring"
    rules = re.sub(r"^", "  ", ALERTS.read_text(), flags=re.MULTILINE)  # as docs/monitoring.md has sed do
    whole = yaml.safe_load((folder / "rule-head.yaml").read_text() + rules)
    assert whole["spec"] == yaml.safe_load(ALERTS.read_text())
    [monitor] = build(folder)
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"


def test_grafana_finds_what_compose_mounts() -> None:
    services = yaml.safe_load((INFRA / "compose.yaml").read_text())["services"]
    grafana = INFRA / "compose/grafana"
    mounts = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    provisioning = "/etc/grafana/provisioning"
    assert mounts["./compose/grafana/datasources.yml"].startswith(f"{provisioning}/datasources/")
    assert mounts["./compose/grafana/dashboards.yml"].startswith(f"{provisioning}/dashboards/")
    [source] = yaml.safe_load((grafana / "datasources.yml").read_text())["datasources"]
    assert source["url"] == services["ray-head"]["environment"]["RAY_PROMETHEUS_HOST"]
    own, of_ray = yaml.safe_load((grafana / "dashboards.yml").read_text())["providers"]
    assert mounts["./compose/grafana/dashboards/maccap.json"] == f"{own['options']['path']}/{DASHBOARD.name}"
    written = services["ray-head"]["environment"]["RAY_METRICS_OUTPUT_ROOT"]
    assert of_ray["options"]["path"] == f"{written}/grafana/dashboards"
    assert mounts["metrics"] == written
    [rules] = yaml.safe_load((INFRA / "compose/prometheus.yml").read_text())["rule_files"]
    assert f"./alerts.yml:/etc/prometheus/{rules}:ro" in services["prometheus"]["volumes"]


@needs_prometheus
def test_alerts_fire_when_they_should() -> None:
    test = REPOSITORY / "tests/infra/alerts_test.yml"
    for command in (["check", "rules", str(ALERTS)], ["test", "rules", str(test)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = re.findall(r"alertname(?:=\"|: )(\w+)", test.read_text())
    assert {rule["alert"] for rule in alerts()} == set(tested)


@needs_prometheus
def test_every_query_has_data_while_a_run_goes_on(
    tmp_path: Path, small_bundle: Path, panels: list[dict[str, Any]]
) -> None:
    write_shard(tmp_path / "cut.tar", 4)
    write_shard(tmp_path / "held.tar", 2, first_seed=10)
    write_tar(tmp_path / "damaged.tar", [("damaged.jpg", b"\xff\xd8\xff no image")])
    command = [sys.executable, "-m", "jobs.caption", f"@{tmp_path}/list", str(tmp_path / "run")]
    command += ["--model", str(small_bundle), "--chunk-rows", "2", "--max-cost", "9", "--hour-price", "1"]
    empty = set(queries(panels))
    with (
        cut(tmp_path / "cut.tar") as cut_url,
        held(tmp_path / "held.tar") as (held_url, release),
        ray_head() as (access, port),
        prometheus(tmp_path, port, ALERTS) as ask,
        (tmp_path / "log").open("w") as log,
    ):
        (tmp_path / "list").write_text(f"{tmp_path}/damaged.tar\n{cut_url}\n{held_url}\n")
        job = subprocess.Popen(command, cwd=REPOSITORY, env={**environment(), **access}, stderr=log)
        try:
            while job.poll() is None and not all(metrics_of(query) & NO_DATA_HERE for query in empty):
                empty = {query for query in queries(panels) if not ask(query)}
                time.sleep(0.5)
            release()
            assert job.wait(300) == 0, (tmp_path / "log").read_text()
        finally:
            job.kill()
    assert all(metrics_of(query) & NO_DATA_HERE for query in empty), empty
