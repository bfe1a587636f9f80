"""A tone in the place of what was said: there it is heard alone, and everywhere else the sound is as it was."""

from pathlib import Path

import av
import pytest

from control_plane.recordings.tones import joined, overwrite
from tests.support.humming import RATE, SECONDS, VOICE, energy, listen, loudest, record

SPANS = [(1.0, 2.0), (4.0, 4.5)]


@pytest.mark.parametrize(
    ("format", "codec", "pictures", "layout"),
    [
        ("ogg", "libopus", False, "stereo"),
        ("mp3", "libmp3lame", False, "mono"),
        ("mp4", "aac", True, "mono"),
        ("wav", "pcm_s16le", False, "stereo"),
        ("webm", "libopus", False, "mono"),
    ],
)
def test_the_tone_is_where_it_was_said_and_nothing_else_is_touched(
    tmp_path: Path, format: str, codec: str, pictures: bool, layout: str
) -> None:
    raw, beeped = tmp_path / f"raw.{format}", tmp_path / f"beeped.{format}"
    record(raw, codec, pictures=pictures, layout=layout)

    overwrite(raw, beeped, SPANS, format=format)

    before, after = listen(raw), listen(beeped)
    assert after.shape[0] == before.shape[0]
    assert abs(after.shape[1] - before.shape[1]) <= 0.02 * RATE
    for begin, end in SPANS:
        assert energy(after, 1000, begin, end) > 0.2
        assert loudest(after, VOICE, begin + 0.03, end - 0.03) < 0.005
    for begin, end in ((0.05, 0.95), (2.05, 3.95), (4.55, 5.9)):
        assert loudest(after, 1000, begin, end) < 0.005
        assert energy(after, VOICE, begin, end) == pytest.approx(energy(before, VOICE, begin, end), rel=0.05)
    if pictures:
        with av.open(str(raw)) as one, av.open(str(beeped)) as other:
            shown = [[bytes(packet) for packet in each.demux(video=0) if packet.size] for each in (one, other)]
        assert len(shown[0]) == SECONDS * 10
        assert shown[0] == shown[1]


def test_spans_are_put_in_order_and_stay_in_the_file() -> None:
    assert joined([(5, 9), (-1, 1), (0.5, 2), (8, 20), (3, 3)], length=10) == [(0.0, 2), (5, 10)]
