"""What the offline model tells of a picture: its colours and the size of its text, and nothing it does not see."""

import base64
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from parley.offline.answering import reply
from parley.offline.errors import InvalidRequest, TooLarge
from parley.offline.pictures import load, look
from parley.offline.schemas import ChatRequest


def data(picture: Image.Image, kind: str = "JPEG") -> str:
    written = io.BytesIO()
    picture.save(written, kind)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(written.getvalue()).decode()


def ask(question: str, *urls: str) -> str:
    parts = [{"type": "text", "text": question}, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": parts}]})
    return reply(request, lambda texts: np.ones((len(texts), 4), np.float32)).text


@pytest.mark.parametrize(
    ("rgb", "name"),
    [((220, 20, 20), "red"), ((20, 40, 210), "blue"), ((30, 160, 50), "green"), ((250, 230, 40), "yellow")],
)
def test_the_colour_of_a_picture_is_named(rgb: tuple[int, int, int], name: str) -> None:
    answer = ask("What colour do you see?", data(Image.new("RGB", (320, 240), rgb)))
    assert answer == f"The picture is {name} (100 percent). I see no text in it."


def test_the_larger_colour_comes_first() -> None:
    picture = Image.new("RGB", (300, 200), (20, 40, 210))
    picture.paste((255, 255, 255), (0, 0, 90, 200))
    assert [name for name, _ in look(picture).colours] == ["blue", "white"]


@pytest.mark.parametrize("size", [16, 32, 60])
def test_the_size_of_text_is_measured_in_the_pixels_of_the_picture(size: int) -> None:
    picture = Image.new("RGB", (1280, 720), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(3):
        text = "Quarterly results of the northern region"
        draw.text((40, 60 + line * 3 * size), text, "black", ImageFont.load_default(size))
    seen = look(load(data(picture)))
    assert seen.lines == 3
    assert seen.text_height is not None
    assert 0.6 * size <= seen.text_height <= 1.2 * size


def test_noise_and_shades_are_no_text() -> None:
    noise = np.random.default_rng(1).normal(120, 12, (240, 320, 3)).clip(0, 255).astype(np.uint8)
    shades = np.linspace(0, 255, 320).astype(np.uint8)[None, :, None].repeat(240, 0).repeat(3, 2)
    for pixels in (noise, shades):
        assert look(Image.fromarray(pixels)).text_height is None


def test_a_picture_is_looked_at_only_where_the_question_is_about_it() -> None:
    red = data(Image.new("RGB", (64, 64), (220, 20, 20)))
    assert "red" not in ask("When do you open?", red)
    assert "red" in ask("What am I wearing?", red)


def test_the_newest_picture_counts() -> None:
    red, blue = (data(Image.new("RGB", (64, 64), rgb)) for rgb in ((220, 20, 20), (20, 40, 210)))
    assert "blue" in ask("What do I show?", red, blue)


@pytest.mark.parametrize("url", ["https://example.org/a.jpg", "file:///etc/passwd", "data:image/png;base64,AAAA", "x"])
def test_nothing_is_fetched_and_what_is_no_picture_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        ask("What do you see?", url)


def test_a_picture_of_too_many_pixels_is_not_unpacked() -> None:
    with pytest.raises(TooLarge):
        load(data(Image.new("1", (20_000, 20_000)), "PNG"))
