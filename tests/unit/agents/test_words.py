"""What every persona says in its own name, in each language."""

from dataclasses import fields

import pytest

from agents.words import ENGLISH, LANGUAGES, Words, words_of


def sentences(words: Words) -> list[str]:
    plain = [
        getattr(words, field.name) for field in fields(words) if field.name not in ("language", "patience", "goodbyes")
    ]
    return [*plain, *words.patience, *words.goodbyes.values()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_says_everything_and_nothing_twice(language: str) -> None:
    words = LANGUAGES[language]
    assert words.language == language
    assert words.goodbyes.keys() == ENGLISH.goodbyes.keys()
    said = sentences(words)
    assert all(text.strip() and text[-1] in ".?" for text in said)
    assert len(said) == len(set(said))
    if words is not ENGLISH:
        assert not set(said) & set(sentences(ENGLISH))


@pytest.mark.parametrize(
    ("tag", "language"), [("de", "de"), ("de-AT", "de"), ("PT-br", "pt"), ("nl-BE", "nl"), ("ja", "en"), ("", "en")]
)
def test_a_tag_has_the_sentences_of_its_language_or_english_ones(tag: str, language: str) -> None:
    assert words_of(tag).language == language


def test_a_goodbye_says_why_where_that_is_the_callers_business() -> None:
    german = words_of("de")
    assert "Höchstdauer" in german.goodbye_for("max_duration")
    assert german.goodbye_for("budget") == german.goodbye
