"""Makes `schemas/`: what published schemas say of the objects in infra/, without prose, and refusing keys
that they do not have.

python -m tests.infra.trim_schemas KUBERAY_CRDS KUBERNETES_DEFINITIONS COMPOSE_SPEC

The folder of KubeRay's CRDs (helm-chart/kuberay-operator/crds), Kubernetes' `_definitions.json` (that of the
PyPI package kubernetes-validate) and schema/compose-spec.json of github.com/compose-spec/compose-spec.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "schemas"
_RAY_KINDS = ("RayCluster", "RayJob")
_CORE_KINDS = {
    "ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "Job": "io.k8s.api.batch.v1.Job",
    "CronJob": "io.k8s.api.batch.v1.CronJob",
}


def load(name: str) -> Any:
    """A schema of this folder."""
    return json.loads(gzip.decompress((SCHEMAS / f"{name}.json.gz").read_bytes()))


def main(crds: Path, definitions: Path, compose: Path) -> None:
    for kind in _RAY_KINDS:
        crd = yaml.load((crds / f"ray.io_{kind.lower()}s.yaml").read_text(), yaml.CSafeLoader)
        [version] = [version for version in crd["spec"]["versions"] if version["name"] == "v1"]
        schema = version["schema"]["openAPIV3Schema"]
        del schema["properties"]["status"]  # the operator's own
        schema["properties"]["metadata"] = {"type": "object"}
        _save(kind, _strict(schema))
    everything = json.loads(definitions.read_text())["$defs"]
    for kind, name in _CORE_KINDS.items():
        _save(kind, _strict({"$ref": f"#/$defs/{name}", "$defs": _reached(everything, name)}))
    _save("compose", _plain(json.loads(compose.read_text())))


def _save(name: str, schema: Any) -> None:
    text = json.dumps(schema, separators=(",", ":"), sort_keys=True)
    (SCHEMAS / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: _plain(value)
            for key, value in schema.items()
            if not (key == "description" and isinstance(value, str))
        }
    return [_plain(value) for value in schema] if isinstance(schema, list) else schema


def _strict(schema: Any) -> Any:
    """Where an API server drops a key that it does not know, a manifest has a mistake."""
    schema = _plain(schema)

    def close(part: Any) -> None:
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            close(value)
        if isinstance(part, dict) and "object" in part.get("type", "") and "properties" in part:
            part.setdefault("additionalProperties", False)

    close(schema)
    return schema


def _reached(definitions: dict[str, Any], name: str) -> dict[str, Any]:
    """The definition of `name` and those that it refers to, directly or not."""
    found: dict[str, Any] = {}
    waiting = [name]
    while waiting:
        if (name := waiting.pop()) not in found:
            found[name] = definitions[name]
            text = json.dumps(definitions[name])
            waiting += [other for other in definitions if f'#/$defs/{other}"' in text]
    return found


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
