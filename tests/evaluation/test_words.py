import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.evaluation.words import words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Flows of the boundary-layer's wings", ["flow", "boundari", "layer", "wing"]),
        ("Mach 2.5, type_3", ["mach", "2", "5", "type", "3"]),
        ("don’t", ["don't"]),
        ("ＡＢＣ ﬁne", ["abc", "fine"]),  # full-width letters, and a ligature
        ("Zürich naïve", ["zürich", "naïve"]),  # no English stems of them
        ("Zu\u0308rich", ["zürich"]),
        ("巴黎是法国", ["巴黎", "黎是", "是法", "法国"]),
        ("第2章 猫", ["第", "2", "章", "猫"]),
        ("BM25算法", ["bm25", "算法"]),
        ("カタカナのー", ["カタ", "タカ", "カナ", "ナの", "のー"]),
        ("กาแฟ", ["กา", "าแ", "แฟ"]),
        ("हिन्दी கல்வி", ["हिन्दी", "கல்வி"]),  # vowels are marks, within words
        ("한국어 문장", ["한국어", "문장"]),
        ("the of and", []),
        (" \n…!?\ud83d", []),
    ],
)
def test_words_are_as_stated(text: str, found: list[str]) -> None:
    assert words(text) == found


@given(st.text())
def test_no_word_is_empty_or_has_a_space(text: str) -> None:
    assert all(word and not any(character.isspace() for character in word) for word in words(text))


@given(st.text("the quick's BROWN_fox 3.14!"))
def test_plain_text_has_the_words_that_it_has_beside_others(text: str) -> None:
    assert words(text) == words(f"{text} 巴")[:-1]
