import pytest

from serve_app.web.languages import NAMES, in_languages, languages


def test_languages_go_by_their_names() -> None:
    assert languages(("zh", "ja", "pt-BR", "tlh", "multilingual")) == (
        "Chinese, Japanese, Portuguese (BR), tlh, multilingual"
    )


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ((), ""),
        (("en",), "in English"),
        (("zh", "en"), "in Chinese and English"),
        (("multilingual",), "in many languages"),
        (("multilingual", "de", "fr"), "in many languages, German and French among them"),
    ],
)
def test_a_sentence_says_in_which_languages(codes: tuple[str, ...], text: str) -> None:
    assert in_languages(codes) == text


def test_every_code_has_a_name() -> None:
    assert all(2 <= len(code) <= 3 and name[:1].isupper() for code, name in NAMES.items())
