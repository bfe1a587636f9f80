"""pocketsphinx through ctypes on the library inside its wheel.

The wheel's own wrapper holds the interpreter lock while it decodes, which stops every other stream and the event loop;
ctypes releases it.
"""

import ctypes
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pocketsphinx

FRAMES_PER_SECOND: Final = 100
_TUNING: Final[dict[str, Any]] = {"fwdflat": False, "maxhmmpf": 3000, "ds": 2}  # half the default's work, fewer errors
_TOLERANT: Final = 1  # of 0 to 3; stricter ones take a soft consonant between vowels for silence
_PIECE: Final = 3_200  # bytes: 100 ms
_MARKS: Final = re.compile(r"\(\d+\)|<[^>]*>|\[[^\]]*\]")

_Pointer = ctypes.c_void_p
_SIGNATURES: Final[dict[str, tuple[Any, list[Any]]]] = {
    "ps_config_parse_json": (_Pointer, [_Pointer, ctypes.c_char_p]),
    "ps_config_free": (ctypes.c_int, [_Pointer]),
    "ps_init": (_Pointer, [_Pointer]),
    "ps_free": (ctypes.c_int, [_Pointer]),
    "ps_get_cmn": (ctypes.c_char_p, [_Pointer, ctypes.c_int]),
    "ps_set_cmn": (ctypes.c_int, [_Pointer, ctypes.c_char_p]),
    "ps_start_utt": (ctypes.c_int, [_Pointer]),
    "ps_process_raw": (ctypes.c_long, [_Pointer, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int]),
    "ps_end_utt": (ctypes.c_int, [_Pointer]),
    "ps_get_hyp": (ctypes.c_char_p, [_Pointer, _Pointer]),
    "ps_seg_iter": (_Pointer, [_Pointer]),
    "ps_seg_next": (_Pointer, [_Pointer]),
    "ps_seg_word": (ctypes.c_char_p, [_Pointer]),
    "ps_seg_frames": (None, [_Pointer, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int)]),
    "ps_vad_init": (_Pointer, [ctypes.c_int, ctypes.c_int, ctypes.c_double]),
    "ps_vad_free": (ctypes.c_int, [_Pointer]),
    "ps_vad_classify": (ctypes.c_int, [_Pointer, ctypes.c_char_p]),
}


def _library() -> ctypes.CDLL:
    path = next(Path(pocketsphinx.__file__).parent.glob("_pocketsphinx*.so"))
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_LIBRARY: Final = _library()


@dataclass(frozen=True)
class Word:
    """A recognised word and when it was said, in seconds from the start of the utterance."""

    text: str
    start: float
    end: float


class DecoderError(RuntimeError):
    """pocketsphinx refused a call."""


class Decoder:
    """One utterance at a time, 16 kHz. Not for two threads at once."""

    def __init__(self) -> None:
        model = Path(pocketsphinx.get_model_path()) / "en-us"
        settings = {
            "hmm": str(model / "en-us"),
            "lm": str(model / "en-us.lm.bin"),
            "dict": str(model / "cmudict-en-us.dict"),
            "loglevel": "FATAL",
            **_TUNING,
        }
        config = _LIBRARY.ps_config_parse_json(None, json.dumps(settings).encode())
        self._handle = _LIBRARY.ps_init(config)
        _LIBRARY.ps_config_free(config)
        if not self._handle:
            raise DecoderError(f"pocketsphinx could not load its model from {model}; install the package anew")

    def close(self) -> None:
        """Gives the memory back; the decoder cannot be used afterwards."""
        if self._handle:
            _LIBRARY.ps_free(self._handle)
            self._handle = None

    @property
    def channel(self) -> bytes:
        """What the decoder has learnt about the sound of the channel (its cepstral mean)."""
        return bytes(_LIBRARY.ps_get_cmn(self._handle, 0))

    @channel.setter
    def channel(self, means: bytes) -> None:
        _LIBRARY.ps_set_cmn(self._handle, means)

    def start(self) -> None:
        """Begin an utterance."""
        if _LIBRARY.ps_start_utt(self._handle) < 0:
            raise DecoderError("pocketsphinx could not start an utterance")

    def feed(self, pcm: bytes) -> None:
        """Decode 16-bit samples."""
        # Never as one "full utterance": live decoding after that writes beyond the library's buffers and crashes.
        for start in range(0, len(pcm), _PIECE):
            piece = pcm[start : start + _PIECE]
            if _LIBRARY.ps_process_raw(self._handle, piece, len(piece) // 2, 0, 0) < 0:
                raise DecoderError("pocketsphinx could not decode the audio")

    def end(self) -> None:
        """Finish the utterance; `text` and `words` are then final."""
        _LIBRARY.ps_end_utt(self._handle)

    @property
    def text(self) -> str:
        """The best hypothesis so far."""
        hypothesis = _LIBRARY.ps_get_hyp(self._handle, None)
        return " ".join(_MARKS.sub("", hypothesis.decode()).split()) if hypothesis else ""

    @property
    def words(self) -> list[Word]:
        """The words of the hypothesis with their times."""
        return list(self._segments())

    def _segments(self) -> Iterator[Word]:
        first, last = ctypes.c_int(), ctypes.c_int()
        segment = _LIBRARY.ps_seg_iter(self._handle)
        while segment:
            text = _MARKS.sub("", _LIBRARY.ps_seg_word(segment).decode())
            _LIBRARY.ps_seg_frames(segment, ctypes.byref(first), ctypes.byref(last))
            if text:
                yield Word(text, first.value / FRAMES_PER_SECOND, (last.value + 1) / FRAMES_PER_SECOND)
            segment = _LIBRARY.ps_seg_next(segment)


class VoiceActivity:
    """Says of frames of 10 ms at 16 kHz whether they sound like speech."""

    FRAME: Final = 160

    def __init__(self) -> None:
        self._handle = _LIBRARY.ps_vad_init(_TOLERANT, 16_000, self.FRAME / 16_000)
        if not self._handle:
            raise DecoderError("pocketsphinx's voice activity detector could not be made")

    def close(self) -> None:
        """Gives the memory back."""
        if self._handle:
            _LIBRARY.ps_vad_free(self._handle)
            self._handle = None

    def __call__(self, pcm: bytes) -> bool:
        """`pcm` is one frame."""
        return bool(_LIBRARY.ps_vad_classify(self._handle, pcm) == 1)
