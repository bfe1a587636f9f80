"""Tables that a spreadsheet may open hold no formulas of strangers."""

import pytest

from control_plane.dialects.videosdk.playing import write_lines


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("https://evil.example")'])
@pytest.mark.parametrize("speaker", ["", "=cmd|calc"])
def test_a_cell_of_what_was_said_is_no_formula(text: str, speaker: str) -> None:
    written = write_lines([{"start": 0.0, "end": 1.0, "speaker": speaker, "text": text}], "tsv")
    _, line, _ = written.split("\n")
    cell = line.split("\t")[2]
    assert cell.startswith("'")
    assert cell.endswith(text)


def test_other_text_stands_as_it_was_said() -> None:
    written = write_lines([{"start": 0.0, "end": 1.0, "speaker": "Ada", "text": "1 = 1"}], "tsv")
    assert written == "start\tend\ttext\n0\t1000\tAda: 1 = 1\n"
