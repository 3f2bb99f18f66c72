from typing import Any

import pytest

from serve_app.domain.errors import UserError
from serve_app.launch.config_file import settings_of
from serve_app.launch.dashboard import fixed_nodes
from serve_app.launch.room import require_room

GPU_MODEL = {"name": "m", "scaling": {"replicas": 2, "cpus": 2, "gpus": 1}}
FRACTIONS = {"name": "m", "scaling": {"replicas": 4, "cpus": 0.1, "gpus": 0.25}}
SLEEPING = {"name": "m", "scaling": {"min_replicas": 0, "max_replicas": 8, "gpus": 1}}


def room(nodes: list[dict[str, float]], *deployments: dict[str, Any], **settings: Any) -> None:
    config = {"applications": [{"args": settings, "deployments": list(deployments)}]}
    require_room(config, settings_of(config), nodes)


@pytest.mark.parametrize(
    ("nodes", "model"),
    [
        ([{"CPU": 1}, {"CPU": 4, "GPU": 2}], GPU_MODEL),
        ([{"CPU": 1}, {"CPU": 2, "GPU": 1}, {"CPU": 2, "GPU": 1}], GPU_MODEL),
        ([{"CPU": 1, "GPU": 1}], FRACTIONS),
        ([{"CPU": 2, "GPU": 1}], SLEEPING),
    ],
)
def test_what_fits_is_let_pass(nodes: list[dict[str, float]], model: dict[str, Any]) -> None:
    room(nodes, models=[model])


@pytest.mark.parametrize(
    ("nodes", "model", "said"),
    [
        ([{"CPU": 8}], GPU_MODEL, "models[0] (m) needs 1 GPU, and of the cluster's 1 node none has a GPU"),
        (
            [{"CPU": 1, "GPU": 1}] * 2,
            GPU_MODEL,
            "models[0] (m) needs 2 CPU, and of the cluster's 2 nodes the most that one has is 1 CPU",
        ),
        ([{"CPU": 8}], SLEEPING, "models[0] (m) needs 1 GPU, and of the cluster's 1 node none has a GPU"),
        (
            [{"CPU": 8, "GPU": 1}],
            GPU_MODEL,
            "2 GPU are needed (2 × 1 GPU for models[0] (m)); all nodes of the cluster together have 1",
        ),
    ],
)
def test_what_can_never_fit_is_said_with_what_there_is(
    nodes: list[dict[str, float]], model: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as refusal:
        room(nodes, models=[model])
    assert str(refusal.value) == said


def test_serves_own_options_go_before_the_settings() -> None:
    small = [{"CPU": 1}]
    room(
        small,
        {"name": "Gateway", "ray_actor_options": {"num_cpus": 0.1}},
        gateway={"cpus": 4},
        models=[{"scaling": {"cpus": 0.5}}],
    )
    room(small, {"name": "Scorer-m", "ray_actor_options": {"num_cpus": 0.1}}, models=[GPU_MODEL])
    with pytest.raises(UserError, match="Scorer-m needs 1 licence"):
        room(small, {"name": "Scorer-m", "ray_actor_options": {"resources": {"licence": 1}}})


def test_nodes_are_only_counted_where_nothing_adds_any() -> None:
    listed = {"result": [{"state": "ALIVE", "resources_total": {"CPU": 4.0}}, {"state": "DEAD", "resources_total": {}}]}

    def report(kind: str) -> dict[str, Any]:
        return {"clusterStatus": {"autoscalerReport": {"nodeTypeMapping": {"ab12": kind}}}}

    assert fixed_nodes(report("node_ab12"), listed) == [{"CPU": 4.0}]
    assert fixed_nodes(report("ray.worker.gpu"), listed) is None
