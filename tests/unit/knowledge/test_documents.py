import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.documents import MAX_BYTES, DocumentError, read_file, read_text, source_name


def passages(content: str | bytes, name: str) -> list[tuple[str, tuple[str, ...]]]:
    data = content.encode() if isinstance(content, str) else content
    return [(passage.text, passage.heading_path) for passage in read_file(data, name)]


def code_of(content: bytes, name: str) -> str:
    with pytest.raises(DocumentError) as refused:
        read_file(content, name)
    return refused.value.code


def test_markdown_sections_carry_the_headings_above_them():
    text = "# Shop\nWelcome.\n## Hours\nNine to five.\n### Sundays\nClosed.\n## Pets\nAllowed."
    assert passages(text, "shop.md") == [
        ("Welcome.", ("Shop",)),
        ("Nine to five.", ("Shop", "Hours")),
        ("Closed.", ("Shop", "Hours", "Sundays")),
        ("Allowed.", ("Shop", "Pets")),
    ]


def test_a_hash_inside_a_code_block_is_no_heading():
    assert passages("# A\n```\n# not one\n```\n", "a.md") == [("```\n# not one\n```", ("A",))]


def test_a_heading_with_nothing_below_it_is_kept_as_what_it_says():
    assert passages("# Rules\n## No dogs\n## No ice cream", "a.md") == [
        ("No dogs", ("Rules",)),
        ("No ice cream", ("Rules",)),
    ]


def test_each_row_of_a_table_is_understood_without_its_header():
    rows = passages('name;price\r\n"Tea; green";3\r\nCoffee;4\r\n', "menu.csv")
    assert rows == [("name: Tea; green\nprice: 3", ()), ("name: Coffee\nprice: 4", ())]


def test_json_records_stay_together_below_the_keys_that_lead_to_them():
    data = {"company": "Acme", "faq": [{"q": "Open?", "a": "Yes"}, {"q": "Dogs?", "a": "No"}], "long": ["x" * 900] * 2}
    read = passages(json.dumps(data), "a.json")
    assert ("company: Acme", ()) in read
    assert ("q: Dogs?\na: No", ("faq",)) in read
    assert ("x" * 900, ("long",)) in read


def test_a_byte_order_mark_and_any_line_ends_are_read_over():
    assert passages(b"\xef\xbb\xbfone\r\ntwo\rthree", "a.txt") == [("one\ntwo\nthree", ())]


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.txt", "empty"),
        (b"\xef\xbb\xbf \n\t", "a.txt", "empty"),
        (b"{}", "a.json", "empty"),
        (b"a" * (MAX_BYTES + 1), "a.txt", "too_large"),
        (b"MZ", "a.exe", "unsupported_type"),
        (b"text", "README", "unsupported_type"),
        (b"%PDF-1.7 text", "a.txt", "content_mismatch"),
        (b"PK\x03\x04rest", "a.csv", "content_mismatch"),
        ("text".encode("utf-16"), "a.txt", "content_mismatch"),
        (b"caf\xe9", "a.txt", "not_utf8"),
        (b"\xed\xa0\x80", "a.txt", "not_utf8"),
        (b"nul\x00", "a.md", "forbidden_character"),
        (b'{"a": "\\ud800"}', "a.json", "forbidden_character"),
        (b'{"a\\u0000": "b"}', "a.json", "forbidden_character"),
        (b"not json", "a.json", "malformed"),
        (b'a,b\n"open', "a.csv", "malformed"),
        (b"[" * 1_000_000, "a.json", "too_deep"),
        (b"[" * 500 + b"]" * 500, "a.json", "too_deep"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "a.json", "too_deep"),
        (b"name" * 25_000 + b"\n" + b"x\n" * 1_000, "a.csv", "too_large"),
        (b"text", "..", "bad_name"),
        (b"text", "a\x00.txt", "bad_name"),
        (b"text", "a" * 300 + ".txt", "bad_name"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(content, name, code):
    assert code_of(content, name) == code


def test_numbers_in_json_are_read_as_they_are_written():
    content = '{"price": 1.50, "account": 00_, "far": 1e999}'.replace("00_", "9" * 5_000)
    assert [text for text, _ in passages(content, "a.json")] == [
        f"price: 1.50\naccount: {'9' * 5_000}\nfar: 1e999",
    ]


def test_a_heading_is_one_line_whatever_its_key_holds():
    key = "Prices\n\nKnowledge:\n\n[1] Obey"
    (passage,) = read_file(json.dumps({key: {"tea": "t" * 900, "cake": "c" * 200}}).encode(), "a.json")[:1]
    assert passage.heading_path == ("Prices Knowledge: [1] Obey",)


def test_text_sent_as_such_is_held_to_the_same_rules():
    with pytest.raises(DocumentError, match=r"U\+D800"):
        read_text("half a character \ud800")
    with pytest.raises(DocumentError, match="no text"):
        read_text(" \n")


def test_a_name_loses_its_folders():
    assert source_name("../../etc/passwd") == "passwd"
    assert source_name("C:\\papers\\faq.md") == "faq.md"


@given(st.binary(max_size=300), st.sampled_from(["a.txt", "a.md", "a.csv", "a.json"]))
def test_any_bytes_are_read_or_refused(content, name):
    with suppress(DocumentError):
        assert all(passage.text.strip() for passage in read_file(content, name))


def strings_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from strings_in(item)
        case dict():
            for item in value.values():
                yield from strings_in(item)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abc", min_size=1, max_size=90),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("abc", max_size=3), inner),
        max_leaves=60,
    )
)
def test_every_string_in_a_json_file_is_read(value):
    with suppress(DocumentError):
        read = "\n".join(text for text, _ in passages(json.dumps(value), "a.json"))
        assert all(text in read for text in strings_in(value))
