import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serve_app.domain.spreadsheet import harmless, id_cell, id_of


@given(st.text())
@example("'=1")
@example("'")
@example("007")
def test_an_id_comes_back_from_its_cell(identifier: str) -> None:
    assert id_of(id_cell(identifier)) == identifier


@pytest.mark.parametrize(
    "identifier",
    ["007", "1.10", "1e5", "2023-01-05", "1/2", "12345678901234567", "TRUE", "Mar 1", "sept-2", "=A1", "-3"],
)
def test_what_a_spreadsheet_would_write_otherwise_is_marked(identifier: str) -> None:
    assert id_cell(identifier) == f"'{identifier}"


@pytest.mark.parametrize("identifier", ["0", "12", "doc-001", "b/c.txt", "march", "文1"])
def test_other_ids_are_as_they_are(identifier: str) -> None:
    assert id_cell(identifier) == identifier


@given(st.text())
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert harmless(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}
    assert id_cell(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}
