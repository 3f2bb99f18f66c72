"""The manifests for KubeRay, checked as its CRD, Kubernetes, Serve and this service would read them."""

import copy
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

from serve_app.launch.haproxy import limits
from serve_app.launch.ingress import CALLBACK
from serve_app.settings import HttpSettings, Settings
from tests.deployments.schemas import kubernetes_problems, podmonitor_problems, rayservice_problems

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments" / "kubernetes"
KUBECTL = shutil.which("kubectl")
BUDGET = "PodDisruptionBudget"
PROBLEMS = {"RayService": rayservice_problems, "PodMonitor": podmonitor_problems}


def manifests(*folders: str) -> list[dict[str, Any]]:
    """The objects that kustomizations list as files of their own, before any patch."""
    return [
        each
        for folder in folders or ("base", "production", "monitoring", "weights")
        for name in yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text())["resources"]
        if name.endswith(".yaml")
        for each in yaml.safe_load_all((FOLDER / folder / name).read_text())
    ]


def rendered(folder: str | Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    done = subprocess.run([str(KUBECTL), "kustomize", FOLDER / folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def problems(manifest: dict[str, Any]) -> list[str]:
    return PROBLEMS.get(manifest["kind"], kubernetes_problems)(manifest)


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


OTHER_KINDS = [
    "NetworkPolicy",
    "PersistentVolumeClaim",
    BUDGET,
    "PodMonitor",
    "Service",
    "StatefulSet",
]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_the_other_objects_are_what_their_schemas_describe(kind: str) -> None:
    found = of_kind(kind)
    assert found
    for manifest in found:
        assert problems(manifest) == []
        assert problems(manifest | {"specs": {}})


def test_no_kind_of_object_is_left_unchecked() -> None:
    assert {each["kind"] for each in manifests()} == {"RayService", *OTHER_KINDS}


@pytest.mark.skipif(not KUBECTL, reason="kubectl is not on this machine")
@pytest.mark.parametrize("folder", ["production", "dev"])
def test_what_is_applied_is_valid_and_of_one_image(folder: str) -> None:
    objects = rendered(folder)
    for each in objects:
        assert problems(each) == []
    (service,) = [each for each in objects if each["kind"] == "RayService"]
    (application,) = ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"])).applications
    settings = Settings(**application.args)
    images = {each["spec"]["containers"][0]["image"] for each in pod_templates(service)}
    assert images == {"rayrank:0.1.0"}
    cores = sum(
        float(group["rayStartParams"]["num-cpus"]) * group["minReplicas"]
        for group in cluster(service)["workerGroupSpecs"]
    )
    scorers = sum(model.scaling.cpus * model.scaling.replicas for model in settings.models)
    assert settings.gateway.cpus * settings.gateway.replicas + scorers <= cores


@pytest.mark.skipif(not KUBECTL, reason="kubectl is not on this machine")
def test_weights_of_a_volume_are_mounted_where_the_hubs_cache_is_looked_for(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    production = tmp_path / "kubernetes" / "production" / "kustomization.yaml"
    text = production.read_text()
    assert "  # - ../weights " in text, "the line that the docs tell to uncomment"
    production.write_text(text.replace("  # - ../weights ", "  - ../weights "))
    objects = rendered(production.parent)
    assert [problem for each in objects for problem in problems(each)] == []
    (service,) = [each for each in objects if each["kind"] == "RayService"]
    (claim,) = [each for each in objects if each["kind"] == "PersistentVolumeClaim"]
    for template in pod_templates(service):
        (container,) = template["spec"]["containers"]
        variables = {each["name"]: each.get("value") for each in container["env"]}
        (mount,) = [each for each in container["volumeMounts"] if each["name"] == "weights"]
        (volume,) = [each for each in template["spec"]["volumes"] if each["name"] == "weights"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert (variables["HF_HUB_CACHE"], variables["HF_HUB_OFFLINE"]) == (mount["mountPath"], "1")


def test_the_application_is_the_one_of_gpu_yaml(service: dict[str, Any]) -> None:
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert config == yaml.safe_load((ROOT / "deployments" / "gpu.yaml").read_text())
    (application,) = ServeDeploySchema.model_validate(config).applications
    Settings(**application.args)


def test_every_replica_has_room_in_the_fewest_workers(service: dict[str, Any]) -> None:
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    settings = Settings(**application["args"])
    gateways, gateway_pod = worker(service, "gateways")
    gpus, gpu_pod = worker(service, "gpus")
    per_pod = gateway_pod["cpus"] // settings.gateway.cpus
    assert per_pod * gateways["minReplicas"] >= settings.gateway.replicas
    assert gpu_pod["cpus"] < settings.gateway.cpus, "gateways would take the scorers' cores"
    # A pod is one model's: how many of another have room beside it is Ray's to find.
    scalings = [model.scaling for model in settings.models]
    pods = sum(
        -(-each.replicas // min(gpu_pod["gpus"] // each.gpus, gpu_pod["cpus"] // each.cpus)) for each in scalings
    )
    assert pods <= gpus["minReplicas"]
    for group in (gateways, gpus):
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_ray_is_one_version_everywhere(service: dict[str, Any]) -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert cluster(service)["rayVersion"] == pinned[1]
    (image,) = {each["spec"]["containers"][0]["image"] for each in pod_templates(service)}
    for folder in ("production", "dev"):
        (replaced,) = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text())["images"]
        assert (image, replaced["newTag"]) == (replaced["name"], "0.1.0")


def test_every_node_starts_serve_with_the_same_flags(service: dict[str, Any]) -> None:
    assert yaml.safe_load(service["spec"]["serveConfigV2"])["proxy_location"] == "EveryNode"
    for template in pod_templates(service):
        (container,) = template["spec"]["containers"]
        flags = {each["name"]: each.get("value") for each in container["env"]}
        assert flags["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] == CALLBACK
        assert flags["RAY_SERVE_ENABLE_HA_PROXY"] == flags["RAY_SERVE_THROUGHPUT_OPTIMIZED"] == "1"
        assert flags["RAY_SERVE_HAPROXY_BINARY_PATH"] == "/usr/local/bin/rayrank-haproxy"
        assert limits(HttpSettings()).items() <= flags.items()
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
        r"create secret generic (\S+) --from-literal=(\w+)=", (ROOT / "docs" / "kubernetes.md").read_text()
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
    others = [
        (rule["from"], [port["port"] for port in rule["ports"]])
        for rule in policies["rayrank"]["ingress"]
        if "from" in rule and "ports" in rule
    ]
    assert [ports for _, ports in others] == [[8265], ["metrics"]]
    # Prometheus by its namespace's label: a label that a pod gives itself would let in anybody.
    assert others[1][0] == [{"namespaceSelector": {"matchLabels": {"rayrank/metrics": "allowed"}}}]
    (store,) = of_kind("StatefulSet")
    redis = policies["rayrank-redis"]
    assert redis["podSelector"]["matchLabels"].items() <= store["spec"]["template"]["metadata"]["labels"].items()
    assert all("from" in rule for rule in redis["ingress"])


def test_prometheus_finds_the_port_that_the_network_lets_it_reach(service: dict[str, Any]) -> None:
    (monitor,) = of_kind("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for template in pod_templates(service):
        assert monitor["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports[endpoint["port"]] == 8080  # where KubeRay has Ray's agent listen


def test_a_drain_leaves_each_group_a_pod_and_comes_to_an_end(service: dict[str, Any]) -> None:
    budgets = {each["spec"]["selector"]["matchLabels"]["ray.io/group"]: each["spec"] for each in of_kind(BUDGET)}
    groups = {each["groupName"]: each for each in cluster(service)["workerGroupSpecs"]}
    assert budgets.keys() == groups.keys()
    for name, budget in budgets.items():
        # For pods without a controller of Kubernetes' own, maxUnavailable and percentages are errors.
        assert budget.keys() == {"minAvailable", "selector"}
        assert type(budget["minAvailable"]) is int
        assert 1 <= budget["minAvailable"] < groups[name]["minReplicas"]
        labels = groups[name]["template"]["metadata"]["labels"] | {"ray.io/group": name}  # KubeRay's own label
        assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_a_pod_meets_the_restricted_standard_and_writes_to_its_volumes_alone(service: dict[str, Any]) -> None:
    (store,) = of_kind("StatefulSet")
    autoscaler = cluster(service)["autoscalerOptions"]
    pods = [*pod_templates(service), store["spec"]["template"]]
    for template in pods:
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    containers = [template["spec"]["containers"][0] for template in pods]
    for container in [*containers, autoscaler]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    for template in pod_templates(service):
        pod = template["spec"]
        empty = {each["name"] for each in pod["volumes"] if "emptyDir" in each}
        mounted = {each["mountPath"]: each["name"] for each in pod["containers"][0]["volumeMounts"]}
        assert mounted == {"/tmp": "tmp", "/home/ray": "home"}
        assert set(mounted.values()) == empty
    # Only the head asks Kubernetes for anything: KubeRay's autoscaler runs beside it.
    assert [template["spec"].get("automountServiceAccountToken") for template in pod_templates(service)] == [
        None,
        False,
        False,
    ]
