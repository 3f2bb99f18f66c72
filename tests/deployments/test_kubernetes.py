"""The manifests for KubeRay, checked as its CRD, Kubernetes, Serve and this service would read them."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from serve_app.launch.ingress import CALLBACK
from serve_app.settings import Settings
from tests.deployments.schemas import kubernetes_problems, rayservice_problems

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments" / "kubernetes"


def manifests() -> list[dict[str, Any]]:
    names = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    return [each for name in names for each in yaml.safe_load_all((FOLDER / name).read_text())]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in manifests() if each["kind"] == kind]


@pytest.fixture
def service() -> dict[str, Any]:
    (service,) = of_kind("RayService")
    return service


def cluster(service: dict[str, Any]) -> dict[str, Any]:
    return dict(service["spec"]["rayClusterConfig"])


def pod_templates(service: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster(service)["headGroupSpec"], *cluster(service)["workerGroupSpecs"]]
    return [group["template"] for group in groups]


def worker(service: dict[str, Any], name: str) -> tuple[dict[str, Any], dict[str, float]]:
    """A worker group, and what Ray is told that one of its pods has."""
    (group,) = [each for each in cluster(service)["workerGroupSpecs"] if each["groupName"] == name]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    cpus = float(group["rayStartParams"]["num-cpus"])
    assert cpus < float(limits["cpu"]), "Ray and HAProxy need a share"
    return group, {"cpus": cpus, "gpus": float(limits.get("nvidia.com/gpu", 0))}


def test_the_rayservice_is_what_kuberays_crd_describes(service: dict[str, Any]) -> None:
    assert rayservice_problems(service) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.serveConfigV3", ""),
        ("spec.rayClusterConfig.authOptions.secret", "x"),
        ("spec.rayClusterConfig.authOptions.mode", "tokens"),
        ("spec.rayClusterConfig.gcsFaultToleranceOptions.redisPassword.valueFrom.secretKeyRef.keys", "x"),
        ("spec.rayClusterConfig.headGroupSpec.template.spec.securityContext.runAsNoRoot", True),
        ("spec.rayClusterConfig.headGroupSpec.rayStartParams.num-cpus", 0),
        ("apiVersion", "ray.io/v1alpha1"),
    ],
)
def test_a_mistake_in_the_rayservice_is_refused(service: dict[str, Any], path: str, value: object) -> None:
    changed = copy.deepcopy(service)
    *way, last = path.split(".")
    place = changed
    for name in way:
        place = place[name]
    place[last] = value
    assert rayservice_problems(changed)


@pytest.mark.parametrize("kind", ["Service", "StatefulSet", "NetworkPolicy"])
def test_the_other_objects_are_what_kubernetes_describes(kind: str) -> None:
    for manifest in of_kind(kind):
        assert kubernetes_problems(manifest) == []
        assert kubernetes_problems(manifest | {"specs": {}})


def test_the_application_is_the_one_of_gpu_yaml(service: dict[str, Any]) -> None:
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert config == yaml.safe_load((ROOT / "deployments" / "gpu.yaml").read_text())
    (application,) = ServeDeploySchema.model_validate(config).applications
    Settings(**application.args)


def test_every_replica_has_room_in_the_fewest_workers(service: dict[str, Any]) -> None:
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    settings = Settings(**application["args"])
    (model,) = settings.models
    scaling = model.scaling
    gateways, gateway_pod = worker(service, "gateways")
    gpus, gpu_pod = worker(service, "gpus")
    per_pod = gateway_pod["cpus"] // settings.gateway.cpus
    assert per_pod * gateways["minReplicas"] >= settings.gateway.replicas
    assert gpu_pod["cpus"] < settings.gateway.cpus, "gateways would take the scorers' cores"
    per_pod = min(gpu_pod["gpus"] // scaling.gpus, gpu_pod["cpus"] // scaling.cpus)
    assert per_pod * gpus["minReplicas"] >= scaling.replicas
    for group in (gateways, gpus):
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_ray_is_one_version_everywhere(service: dict[str, Any]) -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert cluster(service)["rayVersion"] == pinned[1]
    (image,) = {each["spec"]["containers"][0]["image"] for each in pod_templates(service)}
    (replaced,) = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["images"]
    assert (image, replaced["newTag"]) == (replaced["name"], "0.1.0")


def test_every_node_starts_serve_with_the_same_flags(service: dict[str, Any]) -> None:
    assert yaml.safe_load(service["spec"]["serveConfigV2"])["proxy_location"] == "EveryNode"
    for template in pod_templates(service):
        (container,) = template["spec"]["containers"]
        flags = {each["name"]: each.get("value") for each in container["env"]}
        assert flags["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] == CALLBACK
        assert flags["RAY_SERVE_ENABLE_HA_PROXY"] == flags["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
        # KubeRay refuses a cluster that names them beside gcsFaultToleranceOptions, and sets the token itself.
        assert not flags.keys() & {"REDIS_PASSWORD", "RAY_REDIS_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}
        # Its own would replace those that KubeRay adds, and lose the question to the way in.
        assert not container.keys() & {"readinessProbe", "livenessProbe"}
        assert "serve" in [port["name"] for port in container["ports"]]


def test_accounts_find_their_database_in_every_pod_once_they_are_on(
    service: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    for template in pod_templates(service):
        (container,) = template["spec"]["containers"]
        (secret,) = [each for each in container["env"] if "valueFrom" in each]
        monkeypatch.setenv(secret["name"], "postgresql://ledger")
        assert Settings(**application["args"]).accounts is None
        accounts = Settings(**application["args"] | {"accounts": True}).accounts
        assert accounts
        assert accounts.database == "postgresql://ledger"


def test_a_name_is_short_enough_for_the_names_that_kuberay_makes_of_it(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,40}", service["metadata"]["name"])


def test_the_head_finds_redis_by_name(service: dict[str, Any]) -> None:
    (redis,), (store,) = of_kind("Service"), of_kind("StatefulSet")
    port = redis["spec"]["ports"][0]
    address = f"{redis['metadata']['name']}:{port['port']}"
    assert cluster(service)["gcsFaultToleranceOptions"]["redisAddress"] == address
    template = store["spec"]["template"]
    assert store["spec"]["serviceName"] == redis["metadata"]["name"]
    assert redis["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert store["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert port["targetPort"] in [each["name"] for each in template["spec"]["containers"][0]["ports"]]


def test_the_docs_make_every_secret_that_is_named(service: dict[str, Any]) -> None:
    made = re.findall(
        r"create secret generic (\S+) --from-literal=(\w+)=", (ROOT / "docs" / "operations.md").read_text()
    )
    named = {(cluster(service)["authOptions"]["secretName"], "auth_token")}
    stack: list[Any] = manifests()
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            if reference := each.get("secretKeyRef"):
                named.add((reference["name"], reference["key"]))
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)
    assert named == set(made)


def test_from_outside_only_the_apis_port_is_open(service: dict[str, Any]) -> None:
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy")}
    assert all(each["policyTypes"] == ["Ingress"] for each in policies.values())
    for template in pod_templates(service):
        assert policies["rayrank"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    open_to_all = [rule["ports"] for rule in policies["rayrank"]["ingress"] if "from" not in rule]
    assert open_to_all == [[{"protocol": "TCP", "port": config["http_options"]["port"]}]]
    (store,) = of_kind("StatefulSet")
    redis = policies["rayrank-redis"]
    assert redis["podSelector"]["matchLabels"].items() <= store["spec"]["template"]["metadata"]["labels"].items()
    assert all("from" in rule for rule in redis["ingress"])
