"""What `kubectl kustomize` makes of a folder, as far as infra/kuberay needs it: resources, a namespace,
images and JSON patches. Anything else in a kustomization is an error here.
"""

from pathlib import Path
from typing import Any

import yaml

_KEYS = {"apiVersion", "kind", "resources", "namespace", "images", "patches"}


def build(folder: Path) -> list[dict[str, Any]]:
    """The objects of a folder with a kustomization.yaml."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert kustomization.keys() <= _KEYS, folder
    objects: list[dict[str, Any]] = []
    for resource in kustomization["resources"]:
        path = folder / resource
        objects += build(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for patch in kustomization.get("patches", []):
        [target] = [each for each in objects if patch["target"].items() <= _identity(each).items()]
        for operation in yaml.safe_load(patch["patch"]):
            _apply(operation, target)
    for image in kustomization.get("images", []):
        for container in _containers(objects):
            name, _, tag = container["image"].partition(":")
            if name == image["name"]:
                container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
    if namespace := kustomization.get("namespace"):
        for each in objects:
            each["metadata"]["namespace"] = namespace
    return objects


def _identity(one: dict[str, Any]) -> dict[str, str]:
    return {"kind": one["kind"], "name": one["metadata"]["name"]}


def _apply(operation: dict[str, Any], target: Any) -> None:
    """An operation of RFC 6902. `replace` is of what is there."""
    *way, last = (step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:])
    for step in way:
        target = target[int(step) if isinstance(target, list) else step]
    assert isinstance(target, dict), operation
    assert operation["op"] == ("replace" if last in target else "add"), operation
    target[last] = operation["value"]


def _containers(part: Any) -> list[dict[str, Any]]:
    """All that lie in a list `containers` or `initContainers`, wherever it is, as kustomize takes them."""
    if isinstance(part, list):
        return [each for value in part for each in _containers(value)]
    if not isinstance(part, dict):
        return []
    found = [each for key in ("containers", "initContainers") for each in part.get(key, [])]
    return found + [each for value in part.values() for each in _containers(value)]
