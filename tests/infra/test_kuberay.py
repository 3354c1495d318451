"""infra/kuberay: the objects are of their schemas, keep the operator's other rules, and fit each other."""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.run.config import CaptionJobConfig, load_config
from tests.commands import REPOSITORY
from tests.infra.kustomize import build
from tests.infra.validate import INFRA, container_of, problems, size

Objects = list[dict[str, Any]]

FOLDERS = ("job", "cluster", "example")


@pytest.fixture(scope="module", params=FOLDERS)
def objects(request: pytest.FixtureRequest) -> Objects:
    return build(INFRA / "kuberay" / request.param)


def test_objects_are_of_their_schemas(objects: Objects) -> None:
    for one in objects:
        assert problems(one["kind"], one) == []


def test_an_unknown_key_is_found() -> None:
    [job] = of_kind(build(INFRA / "kuberay/job"), "RayJob")
    job["spec"]["rayClusterSpec"]["workerGroupSpecs"][1]["minReplica"] = 0
    pods(cluster_of([job]))["gpu"]["toleration"] = []
    assert len(problems("RayJob", job)) == 2


def test_the_operator_takes_it(objects: Objects) -> None:
    """What KubeRay refuses beyond its schema (ray-operator/controllers/ray/utils/validation.go)."""
    cluster = cluster_of(objects)
    constraints = (REPOSITORY / "constraints.txt").read_text()
    assert f"\nray=={cluster['rayVersion']}\n" in constraints
    assert cluster["authOptions"]["mode"] == "token"
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert all("restartPolicy" not in pod for pod in pods(cluster).values())
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] == 0 < group["maxReplicas"]
    for job in of_kind(objects, "RayJob"):
        assert len(job["metadata"]["name"]) <= 47
        assert job["spec"]["submissionMode"] == "HTTPMode"
        assert job["spec"]["shutdownAfterJobFinishes"]  # and so no deletion rules beside it
        assert "deletionStrategy" not in job["spec"]


def test_ray_is_told_of_what_pods_ask_for(objects: Objects) -> None:
    cluster = cluster_of(objects)
    for group in cluster["workerGroupSpecs"]:
        told, asked = (
            group["rayStartParams"],
            container_of(group["template"]["spec"])["resources"]["requests"],
        )
        assert told["num-cpus"] == asked["cpu"]
        assert told.get("num-gpus") == asked.get("nvidia.com/gpu")
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        container = container_of(pod)
        [shared] = [each["emptyDir"] for each in pod["volumes"] if each["name"] == "shared-memory"]
        memory = size(container["resources"]["limits"]["memory"])
        assert memory == size(container["resources"]["requests"]["memory"])
        assert int(group["rayStartParams"]["object-store-memory"]) < size(shared["sizeLimit"]) < memory / 2


def test_the_stages_fit_into_the_pools(objects: Objects, tmp_path: Path) -> None:
    stages = settings_of(objects, tmp_path).resources
    assert stages is not None
    groups = {group["groupName"]: group for group in cluster_of(objects)["workerGroupSpecs"]}
    gpus = sum(stage.num_gpus * stage.actors for stage in stages.stages.values())
    assert 0 < gpus < groups["gpu"]["maxReplicas"]
    cpus = int(groups["gpu"]["rayStartParams"]["num-cpus"])
    assert sum(stage.num_cpus for stage in stages.stages.values() if stage.num_gpus) <= cpus


def test_a_node_that_goes_has_time_to_finish(objects: Objects) -> None:
    for name, pod in pods(cluster_of(objects)).items():
        if name != "head":
            [drain] = container_of(pod)["env"]
            assert drain["name"] == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
            assert int(drain["value"]) + 10 < pod["terminationGracePeriodSeconds"]


def test_what_pods_refer_to_is_there(objects: Objects) -> None:
    names = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for pod in pods(cluster_of(objects)).values():
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        volumes = {each["name"]: each for each in pod["volumes"]}
        for volume in volumes.values():
            if "emptyDir" not in volume:
                claim, settings = volume.get("persistentVolumeClaim"), volume.get("configMap")
                kind = (
                    ("PersistentVolumeClaim", claim["claimName"])
                    if claim
                    else ("ConfigMap", settings["name"])
                )
                assert kind in names
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
            environment, secret = container["envFrom"]
            assert ("ConfigMap", environment["configMapRef"]["name"]) in names
            assert secret["secretRef"] == {"name": "maccap-storage", "optional": True}


@pytest.mark.parametrize("model", ["", "s3://bucket/a bundle"])
def test_the_entrypoint_is_a_command(model: str) -> None:
    objects = build(INFRA / "kuberay/job")
    [job] = of_kind(objects, "RayJob")
    [environment] = [one for one in objects if one["metadata"]["name"] == "maccap-environment"]
    words = {**environment["data"], "MACCAP_MODEL": model}
    line = re.sub(
        r"\$\{(\w+):\+(.+)\}", lambda found: found[2] if words[found[1]] else "", job["spec"]["entrypoint"]
    )
    line = re.sub(r"\$(\w+)", lambda found: words[found[1]], line)
    name, command, *given = shlex.split(line)
    assert (name, command) == ("maccap", "caption")
    parsed = parse(command, [word for word in given if not word.startswith("/etc/") and word != "--config"])
    assert parsed["source"] == environment["data"]["MACCAP_SOURCE"]
    assert parsed["model"] == (model or None)


def test_the_cluster_that_stays_is_that_of_the_job() -> None:
    job, cluster = (cluster_of(build(INFRA / "kuberay" / folder)) for folder in ("job", "cluster"))
    assert job == cluster


def test_the_overlay_changes_what_it_says() -> None:
    objects = build(INFRA / "kuberay/example")
    assert {one["metadata"]["namespace"] for one in objects} == {"captions"}
    images = {
        container["image"]
        for pod in pods(cluster_of(objects)).values()
        for container in (*pod["containers"], *pod.get("initContainers", []))
    }
    assert images == {"registry.example.com/maccap:0.11.0"}


def of_kind(objects: Objects, kind: str) -> Objects:
    return [one for one in objects if one["kind"] == kind]


def cluster_of(objects: Objects) -> dict[str, Any]:
    """The specification of the objects' Ray cluster."""
    [cluster] = [one["spec"] for one in of_kind(objects, "RayCluster")] + [
        one["spec"]["rayClusterSpec"] for one in of_kind(objects, "RayJob")
    ]
    return dict(cluster)


def pods(cluster: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of the head and of a worker of each group, by name."""
    groups = {"head": cluster["headGroupSpec"]}
    groups |= {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {name: group["template"]["spec"] for name, group in groups.items()}


def settings_of(objects: Objects, folder: Path) -> CaptionJobConfig:
    [settings] = [one for one in objects if one["metadata"]["name"] == "maccap-settings"]
    [(name, text)] = settings["data"].items()
    (folder / name).write_text(text)
    return load_config(folder / name, {})


def parse(command: str, given: list[str]) -> dict[str, Any]:
    """What a command takes of its arguments; runs nothing."""
    app = typer.Typer()
    app.command()(importlib.import_module(f"jobs.{command}").main)
    return typer.main.get_command(app).make_context(command, given).params
