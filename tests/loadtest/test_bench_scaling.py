from loadtest.bench.serving.report import BEGIN, END, fill_in


def test_the_pages_table_is_replaced_and_nothing_else() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    found = {"spread": [{"name": "8 ÷ 8 × one", "measured": "0.95", "goal": "≥ 0.9", "met": True}]}
    once = fill_in(page, found)
    assert "old" not in once
    assert "| 8 ÷ 8 × one | 0.95 | ≥ 0.9 | met |" in once
    assert once.startswith("# Title\n")
    assert once.endswith(f"{END}\n\nafter\n")
    assert fill_in(once, found) == once
