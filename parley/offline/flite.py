"""flite through ctypes: text in, 16 kHz samples out."""

import ctypes
import threading
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from parley.offline.audio import Samples

VOICES: Final = ("rms", "slt", "awb", "kal16")
RATE: Final = 16_000
VOICE_SAMPLE: Final = (  # rich in sounds; the recogniser learns from it how flite sounds
    "Good morning, this is a sample of the voice that will be recognised here.",
    "It says a few sentences, so that the recogniser learns how the channel sounds.",
    "She had your dark suit in greasy wash water all year.",
)
_SPELLED_OUT: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": ", ", "—": ", ", "…": "."}) | {
    ord("€"): " euros",
    ord("£"): " pounds",
    ord("°"): " degrees",
}


Sink = Callable[[Samples], bool]
_CONTINUE, _STOP = 0, -1


class FliteMissing(RuntimeError):
    """flite's shared libraries are not installed."""


class _Wave(ctypes.Structure):
    """`cst_wave` of flite's public header."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _StreamingInfo(ctypes.Structure):
    """`cst_audio_streaming_info` of flite's public header."""


_OnSamples = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(_Wave), ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(_StreamingInfo)
)
_StreamingInfo._fields_ = (
    ("least_samples", ctypes.c_int),
    ("on_samples", _OnSamples),
    ("utterance", ctypes.c_void_p),
    ("item", ctypes.c_void_p),
    ("user_data", ctypes.c_void_p),
)


class _Voice(ctypes.Structure):
    """The head of `cst_voice`."""

    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


def _load(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise FliteMissing(
            f"{name} cannot be loaded: flite is not installed. On Debian and Ubuntu: apt-get install flite"
        ) from error


class Flite:
    """Speaks with flite's voices. Safe to use from several threads: one lock guards the library's global state.

    A process has one, from `load_flite`: a voice tells its samples to whoever registered it last.
    """

    def __init__(self) -> None:
        self._library = library = _load("libflite.so.1")
        for part in ("libflite_cmulex.so.1", "libflite_usenglish.so.1"):
            _load(part)
        library.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
        library.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
        library.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
        library.flite_feat_set.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        library.flite_feat_set_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float]
        library.new_audio_streaming_info.restype = ctypes.POINTER(_StreamingInfo)
        library.audio_streaming_info_val.restype = ctypes.c_void_p
        library.audio_streaming_info_val.argtypes = [ctypes.POINTER(_StreamingInfo)]
        library.flite_init()
        self._voices: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._sink: Sink | None = None
        self._on_samples = _OnSamples(self._pass_on)  # flite keeps only its address

    def speak(self, text: str, *, voice: str = "rms", speed: float = 1.0) -> Samples:
        """The spoken text, with the silences flite puts around it."""
        pieces = [np.zeros(0, np.int16)]

        def keep(samples: Samples) -> bool:
            pieces.append(samples)
            return True

        self.stream(text, keep, voice=voice, speed=speed)
        return np.concatenate(pieces)

    def stream(self, text: str, sink: Sink, *, voice: str = "rms", speed: float = 1.0) -> None:
        """Hands pieces of 100 ms to `sink` as they are made, in this thread, until it returns False."""
        plain = unicodedata.normalize("NFKD", text.translate(_SPELLED_OUT)).encode("ascii", "ignore")
        plain = plain.replace(b"\0", b" ").strip()
        if not plain:
            return
        with self._lock:
            handle = self._voice(voice)
            features = ctypes.cast(handle, ctypes.POINTER(_Voice)).contents.features
            self._library.flite_feat_set_float(features, b"duration_stretch", 1.0 / speed)
            self._sink = sink
            try:
                self._library.delete_wave(self._library.flite_text_to_wave(plain, handle))
            finally:
                self._sink = None

    def _pass_on(self, wave: Any, start: int, size: int, last: int, info: Any) -> int:
        samples = np.ctypeslib.as_array(wave.contents.samples, (start + size,))[start:].astype(np.int16, copy=True)
        return _CONTINUE if self._sink is not None and self._sink(samples) else _STOP

    def _voice(self, name: str) -> Any:
        if name not in self._voices:
            library = _load(f"libflite_cmu_us_{name}.so.1")
            register = getattr(library, f"register_cmu_us_{name}")
            register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
            voice = register(None)
            info = self._library.new_audio_streaming_info()
            info.contents.least_samples, info.contents.on_samples = RATE // 10, self._on_samples
            features = ctypes.cast(voice, ctypes.POINTER(_Voice)).contents.features
            self._library.flite_feat_set(features, b"streaming_info", self._library.audio_streaming_info_val(info))
            self._voices[name] = voice
        return self._voices[name]


@cache
def load_flite() -> Flite:
    """The process's flite. Raises `FliteMissing`."""
    return Flite()


def require_flite() -> None:
    """Fails with what to install when flite is not on this machine."""
    _load("libflite.so.1")
