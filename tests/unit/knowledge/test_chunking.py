import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from knowledge.chunking import Chunk, Passage, split

WORDS = st.text(alphabet="abc .!?\n\täß日", max_size=1_500)


def spans(chunks: list[Chunk]) -> list[tuple[int, int]]:
    return [(chunk.start, chunk.start + len(chunk.text)) for chunk in chunks]


@given(WORDS, st.integers(20, 200), st.integers(0, 19))
@example("x" * 500, 20, 19)
@example("a " + "x" * 500, 20, 10)
@example("\n" * 300 + "end", 20, 5)
def test_no_chunk_is_longer_than_asked_and_none_is_empty_or_padded(text, size, overlap):
    for chunk in split([Passage(text)], chunk_size=size, chunk_overlap=overlap):
        assert 0 < len(chunk.text) <= size
        assert chunk.text == chunk.text.strip()


@given(WORDS, st.integers(20, 200), st.integers(0, 19))
def test_every_word_is_in_a_chunk_and_every_chunk_is_in_its_passage(text, size, overlap):
    chunks = list(split([Passage(text)], chunk_size=size, chunk_overlap=overlap))
    covered = set()
    for chunk, (start, end) in zip(chunks, spans(chunks), strict=True):
        assert text[start:end] == chunk.text
        covered.update(range(start, end))
    assert all(position in covered for position, letter in enumerate(text) if not letter.isspace())


@given(st.lists(st.text(alphabet="abcdefgh", min_size=1, max_size=9), min_size=200, max_size=400))
def test_neighbours_share_the_overlap_to_within_a_word(words):
    chunks = list(split([Passage(" ".join(words))], chunk_size=300, chunk_overlap=50))
    for (_, end), (start, _) in zip(spans(chunks), spans(chunks)[1:], strict=False):
        assert 50 - 10 <= end - start <= 50 + 10


def test_a_chunk_ends_with_a_paragraph_where_one_ends():
    first, second = "First words. " * 25, "Second words. " * 25
    chunks = list(split([Passage(f"{first.strip()}\n\n{second.strip()}")], chunk_overlap=0))
    assert [chunk.text for chunk in chunks] == [first.strip(), second.strip()]


def test_a_chunk_never_reaches_into_the_next_passage():
    chunks = list(split([Passage("one", ("A",)), Passage("two", ("A", "B"))]))
    assert [(chunk.text, chunk.index, chunk.heading) for chunk in chunks] == [("one", 0, "A"), ("two", 1, "A › B")]


def test_an_overlap_as_large_as_the_chunk_is_refused():
    with pytest.raises(ValueError, match="smaller than chunk_size"):
        list(split([Passage("text")], chunk_size=50, chunk_overlap=50))
