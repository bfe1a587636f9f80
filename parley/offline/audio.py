"""Sound as numbers: resampling, containers, levels. Everything inside the server is mono int16."""

import io
import math
import wave
from functools import cache
from typing import Final, Literal

import av
import numpy as np
from numpy.typing import NDArray

from parley.offline.errors import InvalidRequest

Samples = NDArray[np.int16]
Container = Literal["wav", "pcm", "mp3"]

RECOGNITION_RATE: Final = 16_000
WIRE_RATE: Final = 24_000  # what OpenAI's `pcm` and its realtime socket carry
_TAPS: Final = 48  # per phase: stop band below -80 dB, 1.5 ms of delay at 16 kHz
_QUIET: Final = 120  # of 32767: flite's own silence is below
_PASSBAND: Final = 0.92  # of the lower Nyquist frequency; the rest is the filter's slope
_LONGEST_UPLOAD_S: Final = 30 * 60


@cache
def _phases(up: int, down: int) -> NDArray[np.float32]:
    """The low-pass filter of a rational resampler, one reversed row of taps for each phase."""
    length = _TAPS * up
    cutoff = _PASSBAND / (2 * max(up, down))
    position = np.arange(length) - (length - 1) / 2
    taps = 2 * cutoff * np.sinc(2 * cutoff * position) * np.kaiser(length, 9.0) * up
    return np.ascontiguousarray(taps.reshape(_TAPS, up).T[:, ::-1], dtype=np.float32)


class Resampler:
    """Changes the sample rate of a stream; what was pushed in pieces sounds as if it came at once."""

    def __init__(self, source: int, target: int) -> None:
        divisor = math.gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        self._history = np.zeros(_TAPS - 1, np.float32)
        self._next = 0  # of the following output sample, in steps of 1/up of an input sample

    def push(self, samples: Samples) -> Samples:
        """The samples that are complete after this piece, at most one filter length behind it."""
        if self._up == self._down or not len(samples):
            return samples
        sound = np.concatenate([self._history, samples.astype(np.float32)])
        positions = np.arange(self._next, len(samples) * self._up, self._down)
        self._next += len(positions) * self._down - len(samples) * self._up
        self._history = sound[-(_TAPS - 1) :]
        windows = np.lib.stride_tricks.sliding_window_view(sound, _TAPS)[positions // self._up]
        phases = _phases(self._up, self._down)[positions % self._up]
        return to_int16(np.einsum("ij,ij->i", windows, phases))

    def flush(self) -> Samples:
        """The tail that was still inside the filter."""
        return self.push(np.zeros(_TAPS // 2, np.int16))


def to_int16(sound: NDArray[np.float32]) -> Samples:
    """Rounded and clipped."""
    return np.clip(np.rint(sound), -32768, 32767).astype(np.int16)


def resampled(samples: Samples, source: int, target: int) -> Samples:
    """A whole recording at another rate."""
    if source == target:
        return samples
    resampler = Resampler(source, target)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def from_pcm(data: bytes) -> Samples:
    """Little-endian 16-bit samples; a trailing odd byte is dropped."""
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16, copy=False)


class Trimmer:
    """Takes the silence around speech away while it arrives; 10 ms in front and 60 ms behind stay."""

    def __init__(self, rate: int) -> None:
        self._lead, self._tail = rate // 100, rate * 6 // 100
        self._begun = False
        self._held = np.zeros(0, np.int16)  # quiet samples that are only said if a sound follows

    def push(self, samples: Samples) -> Samples:
        """What is certainly part of the speech."""
        sound = np.concatenate([self._held, samples])
        loud = np.flatnonzero(np.abs(sound.astype(np.int32)) > _QUIET)
        if not len(loud):
            self._held = sound if self._begun else sound[-self._lead :]
            return sound[:0]
        start = 0 if self._begun else max(0, loud[0] - self._lead)
        end = loud[-1] + 1
        self._begun, self._held = True, sound[end:]
        return sound[start:end]

    def flush(self) -> Samples:
        """The end of the speech."""
        return self._held[: self._tail] if self._begun else self._held[:0]


def trimmed(samples: Samples, rate: int) -> Samples:
    """A whole recording without the silence around the speech."""
    trimmer = Trimmer(rate)
    return np.concatenate([trimmer.push(samples), trimmer.flush()])


def encode(samples: Samples, rate: int, container: Container) -> bytes:
    """A whole recording as a file (`pcm`: the bare samples)."""
    if container == "pcm":
        return samples.astype("<i2").tobytes()
    file = io.BytesIO()
    if container == "wav":
        with wave.open(file, "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(rate)
            writer.writeframes(samples.astype("<i2").tobytes())
        return file.getvalue()
    with av.open(file, "w", format="mp3") as mp3:
        stream = mp3.add_stream("libmp3lame", rate=rate)
        stream.bit_rate = 64_000
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        fifo = av.AudioFifo()
        fifo.write(frame)
        size = stream.codec_context.frame_size or 1152
        for piece in fifo.read_many(size, partial=True):
            mp3.mux(stream.encode(piece))
        mp3.mux(stream.encode(None))
    return file.getvalue()


def decode(data: bytes) -> Samples:
    """Any recording FFmpeg knows, as mono samples at the recogniser's rate."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RECOGNITION_RATE)
    pieces: list[Samples] = []
    room = _LONGEST_UPLOAD_S * RECOGNITION_RATE
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.audio:
                raise InvalidRequest("The file holds no audio stream.", param="file")
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    pieces.append(_samples(piece))
                    room -= piece.samples
                if room < 0:
                    raise InvalidRequest(
                        f"The recording is longer than {_LONGEST_UPLOAD_S // 60} minutes; send it in parts.",
                        param="file",
                    )
            pieces.extend(_samples(piece) for piece in resampler.resample(None))
    except (av.FFmpegError, ValueError) as error:
        raise InvalidRequest(
            "The file is not a recording this server can read; wav, mp3, ogg, webm, m4a and flac work.", param="file"
        ) from error
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _samples(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
