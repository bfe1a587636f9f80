"""Pages keep their structure, broken or not."""

import pytest

from knowledge.documents import read_file


def test_a_page_is_read_below_its_headings_without_what_surrounds_it():
    page = (
        b"<html><head><title>T</title><style>p {}</style></head><body><nav>Home Shop</nav><h1>Shop</h1>"
        b"<p>Open <b>daily</b>.</p><ul><li>Bread<li>Milk</ul><h2>Prices</h2>"
        b"<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>2 &euro;</td></tr></table>"
        b"<script>alert('x')</script><footer>Imprint</footer></body></html>"
    )
    passages = read_file(page, "shop.html")
    assert [(passage.heading_path, passage.text, passage.row) for passage in passages] == [
        (("Shop",), "Open daily.\n- Bread\n- Milk", None),
        (("Shop", "Prices"), "Item: Tea\nPrice: 2 €", 2),
    ]


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("<p>A<p>B<b>C", ["A\nBC"]),
        ("<table><tr><td>A<td>B</table>", ["A | B"]),
        ("<li></ul></p>text", ["text"]),
        ("a < b & c", ["a < b & c"]),
        ("<h1>A</h2>B", ["B"]),
        ("<table><tr><td>A<br>B<table><tr><td>C</table><td>D</table>E", ["A B C | D\nE"]),
        ("<p>a<span hidden>b</span></p><template><p>c</p></template>", ["a"]),
    ],
)
def test_broken_markup_is_read_as_far_as_it_goes(page, texts):
    assert [passage.text for passage in read_file(page.encode(), "a.htm")] == texts


def test_a_page_may_nest_deeply_and_hides_no_character():
    assert read_file(b"<div>" * 10_000 + b"deep", "a.html")[0].text == "deep"
    assert read_file(b"<p>a&#1;b&#0;</p>", "a.html")[0].text == "ab\ufffd"
