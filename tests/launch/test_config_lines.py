from serve_app.launch.config_lines import lines_of

CONTENT = """\
name: first
deep:
  - a: 1
    b: &again {c: 2}
  - d: *again
name: second
"""


def test_each_value_has_its_line_and_a_missing_one_that_of_what_it_should_be_in() -> None:
    lines = lines_of(CONTENT)
    assert [lines.of(place) for place in (("deep", 0, "b", "c"), ("deep", 1, "d"), ("deep", 1, "e"), ("other",))] == [
        4,
        5,
        5,
        1,
    ]


def test_a_name_that_comes_twice_is_found() -> None:
    assert lines_of(CONTENT).twice == [("name",)]


def test_an_alias_of_what_it_stands_in_ends() -> None:
    assert lines_of("a: &a [1, *a]").of(("a", 0)) == 1
    assert lines_of("").of(("a",)) == 1
