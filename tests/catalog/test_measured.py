import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.catalog.catalog import CatalogError, load_catalog
from serve_app.catalog.measured import (
    SHIPPED,
    Measurements,
    add_precision_check,
    add_run,
    file_name,
    load_results,
    read_results,
)
from serve_app.catalog.served import served_cards
from serve_app.settings import EngineSettings, ModelSettings, Settings, SimulatedDevice
from tests.domain.test_measured import AT, CHECK, RUN

BASE = "BAAI/bge-reranker-base"
LATER = replace(RUN, at=AT + timedelta(days=1), machine="another")


def test_what_is_added_is_read_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    path = add_run(folder, BASE, RUN)
    assert add_precision_check(folder, BASE, CHECK) == path
    results = read_results(path)
    assert (results.model, results.measured, results.precision_checks) == (BASE, (RUN,), (CHECK,))
    assert sorted(each.name for each in folder.iterdir()) == [".lock", path.name]


def test_a_newer_run_of_the_same_setting_replaces_the_older_one_and_no_other(tmp_path: Path) -> None:
    other = replace(RUN, k=50)
    for run in (RUN, other, LATER):
        path = add_run(tmp_path, BASE, run)
    assert read_results(path).measured == (LATER, other)
    newer = replace(CHECK, at=LATER.at, top_1=0.5)
    for check in (CHECK, replace(CHECK, precision="int8"), newer):
        add_precision_check(tmp_path, BASE, check)
    assert [(each.precision, each.top_1) for each in read_results(path).precision_checks] == [
        ("bfloat16", 0.5),
        ("int8", CHECK.top_1),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": ""}, "model must not be empty"),
        ({"modle": "m"}, "modle: Unexpected keyword argument"),
        ({"measured": [{}]}, "measured.0.dataset: Field required"),
        ({"measured": [{"queries": "5"}]}, "measured.0.queries: Input should be a valid integer"),
        (
            {"measured": [{"measures": {"MAP": {"mean": 2, "low": 2, "high": 2}}, "before": {}}]},
            "measured.0: measures['MAP'] must be from 0 to 1",
        ),
        ({"precision_checks": [{"top_1": "NaN"}]}, "precision_checks.0.top_1: Input should be a valid number"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name_and_field(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = add_run(tmp_path, BASE, RUN)
    add_precision_check(tmp_path, BASE, CHECK)
    content = json.loads(path.read_text())
    for name, value in change.items():
        content[name] = (
            value if name not in content or value == [{}] or name == "model" else [content[name][0] | value[0]]
        )
    path.write_text(json.dumps(content))
    with pytest.raises(CatalogError) as refusal:
        read_results(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{" * 2_000, b" " * (2**20 + 1)])
def test_a_broken_file_is_left_out_and_told_and_the_rest_is_read(tmp_path: Path, content: bytes) -> None:
    add_run(tmp_path, BASE, RUN)
    (tmp_path / "broken.json").write_bytes(content)
    (tmp_path / "notes.txt").write_text("no result")
    results = load_results(tmp_path)
    assert list(results.by_model) == [BASE.lower()]
    (fault,) = results.faults
    assert fault.startswith(f"{tmp_path / 'broken.json'}: ")


def test_what_is_added_to_a_broken_file_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    path = add_run(tmp_path, BASE, RUN)
    path.write_text("{")
    with pytest.raises(CatalogError, match="Invalid JSON"):
        add_run(tmp_path, BASE, RUN)
    assert path.read_text() == "{"


def test_a_folder_that_is_none_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogError, match=r"results cannot be kept in .*: "):
        add_run(tmp_path / "file", BASE, RUN)
    assert load_results(tmp_path / "file").faults == (f"{tmp_path / 'file'}: Not a directory",)
    assert load_results(tmp_path / "missing").faults == ()


def _add(folder: Path, k: int) -> None:
    add_run(folder, BASE, replace(RUN, k=k))


def test_processes_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_add, [tmp_path] * 24, range(1, 25)))
    assert sorted(run.k for run in read_results(tmp_path / file_name(BASE)).measured) == list(range(1, 25))


@given(st.text(min_size=1))
def test_any_id_gives_a_files_name(model: str) -> None:
    name = file_name(model)
    assert Path(name).name == name
    assert name[0] not in ".-"
    assert len(os.fsencode(name)) < 120


def test_ids_that_differ_in_signs_have_files_of_their_own() -> None:
    assert file_name("a/b") != file_name("a-b")
    assert file_name("A/b") == file_name("a/B")


def _served(folder: Path, *models: ModelSettings) -> list[Any]:
    return [card.measured for card in served_cards(Settings(models=models, results=str(folder)))]


def test_a_model_shows_what_was_measured_under_its_own_id_and_the_one_that_it_is_served_under(tmp_path: Path) -> None:
    add_run(tmp_path, BASE.upper(), RUN)
    add_run(tmp_path, "shop/ranker", replace(RUN, k=50))
    assert _served(tmp_path, ModelSettings(name=BASE), ModelSettings(name=BASE, id="shop/ranker")) == [
        (RUN,),
        (RUN, replace(RUN, k=50)),
    ]


def test_a_model_that_is_served_under_a_published_id_has_none_of_its_shipped_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(tmp_path / "shipped", BASE, RUN)
    monkeypatch.setattr("serve_app.catalog.measured.SHIPPED", tmp_path / "shipped")
    embedded = ModelSettings(name="embedded", id=BASE)
    assert _served(tmp_path / "none", embedded) == [()]
    assert _served(tmp_path / "none", ModelSettings(name=BASE, id="mine")) == [(RUN,)]


def test_of_shipped_and_own_results_the_newer_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(tmp_path / "shipped", BASE, RUN)
    add_run(tmp_path / "own", BASE, LATER)
    monkeypatch.setattr("serve_app.catalog.measured.SHIPPED", tmp_path / "shipped")
    assert _served(tmp_path / "own", ModelSettings(name=BASE)) == [(LATER,)]


def test_a_simulated_device_shows_none(tmp_path: Path) -> None:
    add_run(tmp_path, BASE, RUN)
    add_run(tmp_path, "mine", RUN)
    engine = EngineSettings(simulated=SimulatedDevice())
    models = (ModelSettings(name=BASE, engine=engine), ModelSettings(name=BASE, id="mine", engine=engine))
    assert _served(tmp_path, *models) == [(), ()]


def test_a_catalogue_shows_what_was_measured_of_models_that_are_not_served(tmp_path: Path) -> None:
    add_precision_check(tmp_path, BASE, CHECK)
    card = Measurements(tmp_path).on_all(load_catalog()).find(BASE)
    assert card is not None
    assert card.precision_checks == (CHECK,)


def test_what_is_shipped_is_sound_and_of_models_of_the_catalogue() -> None:
    results = load_results(SHIPPED)
    assert results.faults == ()
    assert all(load_catalog().find(each.model) for each in results.by_model.values())
