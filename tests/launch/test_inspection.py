from pathlib import Path
from textwrap import dedent

import pytest

from serve_app.launch.config_file import ConfigFileError
from serve_app.launch.inspection import inspect
from tests.tiny_decoders import make_tiny_decoder

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
HEAD = "applications:\n  - import_path: serve_app.app:build\n    args:\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "serve.yaml"


def found(path: Path, content: str) -> list[tuple[str, int | None, str, str]]:
    path.write_text(content)
    return [
        (each.level, each.line, each.field.removeprefix("applications.0.args."), each.said)
        for each in inspect(path).faults
    ]


def args(path: Path, content: str) -> list[tuple[str, int | None, str, str]]:
    """What is found of an application's settings, whose first line is line 4."""
    return found(path, HEAD + "".join(f"      {line}\n" for line in dedent(content).strip().splitlines()))


@pytest.mark.parametrize("path", sorted(DEPLOYMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_a_config_file_of_ours_is_sound(path: Path) -> None:
    inspection = inspect(path)
    assert inspection.faults == []
    assert inspection.needs


def test_all_faults_are_told_at_once_with_line_and_field(config: Path) -> None:
    faults = found(
        config,
        dedent("""\
        proxy_locations: EveryNode
        http_options: {prot: 8000}
        applications:
          - import_path: serve_app.app:build
            args:
              models:
                - name: nothing
                  scaling: {replicas: 0}
                - name: embedded
                  pricing: {usd: 0.01, batch_usd: 0.5}
                - name: embedded
                  prompt: no-such-card
              gatway: {}
              accounts: {database: "mysql://b"}
        """),
    )
    assert [(line, field) for _, line, field, _ in faults] == [
        (1, "proxy_locations"),
        (2, "http_options.prot"),
        (7, "models.0.name"),
        (8, "models.0.scaling.replicas"),
        (10, "models.1.pricing"),
        (12, "models.2.prompt"),
        (13, "gatway"),
        (14, "accounts.database"),
    ]
    assert {level for level, *_ in faults} == {"wrong"}
    assert not inspect(config).sound


def test_a_directory_that_no_replica_could_serve_is_told(config: Path, tmp_path: Path) -> None:
    directory = make_tiny_decoder(tmp_path / "decoder", "qwen3", "answers").directory
    [(level, line, field, said)] = args(config, f"models: [{{name: '{directory}'}}]")
    assert (level, line, field) == ("wrong", 4, "models.0.name")
    assert said.startswith(f"{directory}: a decoder reads query and document in a prompt, and there is none")
    assert args(config, f"models: [{{name: '{directory}', prompt: Qwen/Qwen3-Reranker-0.6B}}]") == []


def test_a_list_whose_only_item_is_wrong_is_not_called_too_short(config: Path) -> None:
    (fault,) = args(config, "models: [{name: embedded, scaling: {replicas: 0}}]")
    assert fault[2] == "models.0.scaling.replicas"


@pytest.mark.parametrize(
    ("prompt", "field"),
    [
        ('{querry: "{query}", query: "{query}", document: "{document}"}', "models.0.prompt.querry"),
        ('{query: "{query}", document: "{document}", max_tokens: many}', "models.0.prompt.max_tokens"),
        ('{query: "Q", document: "{document}"}', "models.0.prompt"),
        ("7", "models.0.prompt"),
        ('""', "models.0.prompt"),
    ],
)
def test_a_mistake_in_a_prompt_is_told_by_the_field_that_was_written(config: Path, prompt: str, field: str) -> None:
    (fault,) = args(config, f"models: [{{name: embedded, prompt: {prompt}}}]")
    assert fault[2] == field


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        ("models: [{name: /no/such/directory}]", ("warn", 4, "models.0.name"), "no such directory here"),
        ("accounts: on", ("warn", 4, "accounts.database"), "is a file"),
        (
            "models:\n- engine:\n    max_step_tokens: 9",
            ("wrong", 6, "models.0.engine.max_step_tokens"),
            "engine.max_step_tokens (9) is below",
        ),
        ("models: [{}, {}]", ("wrong", 4, "models"), "two served models are called"),
        ("models:\n- engine: {device: cuda}", ("warn", 5, "models.0.scaling.gpus"), "engine.device is cuda"),
        ("http: {}\nhttp: {}", ("wrong", 5, "http"), "is there twice; only the last one counts"),
        ("- 1", ("wrong", 3, "applications.0.args"), "must be a mapping of settings"),
    ],
)
def test_what_serve_would_not_say_is_told(config: Path, content: str, place: tuple[str, int, str], said: str) -> None:
    [fault] = [each for each in args(config, content) if said in each[3]]
    assert fault[:3] == place


def test_results_that_would_be_left_out_are_told(config: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text("{")
    [(level, line, field, said)] = args(config, f"results: {tmp_path}/results")
    assert (level, line, field) == ("warn", 4, "results")
    assert said.startswith(f"left out: {tmp_path}/results/a.json: Invalid JSON")


def test_what_the_environment_says_has_no_line(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYRANK_GATEWAY__REPLICAS", "0")
    [(level, line, field, said)] = args(config, "http: {}")
    assert (level, line, field) == ("wrong", None, "environment: gateway.replicas")
    monkeypatch.setenv("RAYRANK_GATEWAY__REPLICA", "1")
    [(*_, field, said)] = args(config, "http: {}")
    assert (field, said.partition(":")[0]) == ("environment", "RAYRANK_GATEWAY__REPLICA")


@pytest.mark.parametrize(
    "content", ["[]", "1", "", "applications: 5", "applications: [{}]", "applications: [7]", "a: b"]
)
def test_what_is_no_config_is_one_fault(config: Path, content: str) -> None:
    assert [field for *_, field, _ in found(config, content)] == ["applications"]


@pytest.mark.parametrize("content", ["[", "a: 2020-13-01", b"\xff"])
def test_what_is_no_yaml_is_one_line(config: Path, content: str | bytes) -> None:
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigFileError) as refusal:
        inspect(config)
    assert str(refusal.value).startswith(f"{config}: not YAML: ")
    assert "\n" not in str(refusal.value)
