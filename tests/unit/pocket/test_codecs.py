"""Codecs: against FFmpeg's own, and by ear."""

import av
import numpy as np
import pytest

from pocket.rtp.codecs import CODECS, FRAME_BYTES, G722, PCMA, PCMU, Codec, Samples, make_coder

FFMPEG = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_BYTE = bytes(range(256))


def ffmpeg_decode(codec: Codec, payload: bytes) -> Samples:
    decoder = av.AudioCodecContext.create(FFMPEG[codec.name], "r")
    decoder.sample_rate = codec.sample_rate
    decoder.layout = "mono"
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in decoder.decode(av.Packet(payload))])


def ffmpeg_encode(codec: Codec, pcm: Samples) -> bytes:
    encoder = av.AudioCodecContext.create(FFMPEG[codec.name], "w")
    encoder.sample_rate, encoder.layout, encoder.format = codec.sample_rate, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = codec.sample_rate
    return b"".join(bytes(packet) for packet in encoder.encode(frame))


def speechlike(codec: Codec, seconds: float = 2.0) -> Samples:
    time = np.arange(int(codec.sample_rate * seconds)) / codec.sample_rate
    wave = sum(3000 * np.sin(2 * np.pi * pitch * time) for pitch in (200, 440, 1100, 2900))
    return (wave * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))).astype(np.int16)


def through(codec: Codec, pcm: Samples) -> Samples:
    near, far = make_coder(codec), make_coder(codec)
    frames = np.split(pcm, len(pcm) // codec.frame_samples)
    return np.concatenate([far.decode(near.encode(frame)) for frame in frames])


def noise_ratio(original: Samples, heard: Samples) -> float:
    """Decibels of signal over noise."""
    noise = heard.astype(float) - original
    return float(10 * np.log10((original.astype(float) ** 2).mean() / (noise**2).mean()))


@pytest.mark.parametrize("codec", [PCMU, PCMA], ids=lambda codec: codec.name)
def test_every_byte_has_the_value_that_ffmpeg_gives_it(codec):
    assert np.array_equal(make_coder(codec).decode(EVERY_BYTE), ffmpeg_decode(codec, EVERY_BYTE))


@pytest.mark.parametrize("codec", [PCMU, PCMA], ids=lambda codec: codec.name)
def test_every_sample_comes_back_as_near_as_the_codec_allows_and_within_one_step_of_ffmpegs(codec):
    coder = make_coder(codec)
    ours = coder.decode(coder.encode(EVERY_SAMPLE)).astype(np.int32)
    theirs = coder.decode(ffmpeg_encode(codec, EVERY_SAMPLE)).astype(np.int32)

    values = np.unique(coder.decode(EVERY_BYTE).astype(np.int32))
    places = np.searchsorted(values, ours), np.searchsorted(values, theirs)
    assert np.abs(places[0] - places[1]).max() <= 1
    nearest = np.abs(values[:, None] - EVERY_SAMPLE[None, ::7].astype(np.int32)).min(axis=0)
    assert np.array_equal(np.abs(ours - EVERY_SAMPLE)[::7], nearest)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_frame_is_160_bytes_and_comes_back_whole(codec):
    coder = make_coder(codec)
    payload = coder.encode(np.zeros(codec.frame_samples, np.int16))
    assert len(payload) == FRAME_BYTES
    assert len(coder.decode(payload)) == codec.frame_samples


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("size", [0, 1, 80, 240, 480])
def test_a_payload_of_any_length_is_decoded(codec, size):
    decoded = make_coder(codec).decode(bytes(size))
    assert decoded.dtype == np.int16
    assert len(decoded) == size * codec.sample_rate // 8000


@pytest.mark.parametrize("codec", [PCMU, PCMA], ids=lambda codec: codec.name)
def test_g711_sounds_as_it_should(codec):
    pcm = speechlike(codec)
    assert noise_ratio(pcm, through(codec, pcm)) > 35


def test_g722_is_wideband_and_delays_by_its_filters_alone():
    pcm = speechlike(G722)
    wide = (pcm + 2000 * np.sin(2 * np.pi * 6000 * np.arange(len(pcm)) / 16000)).astype(np.int16)
    heard = through(G722, wide)
    delay = 22
    assert noise_ratio(wide[4000:-delay], heard[4000 + delay :]) > 20


def test_each_stream_of_g722_has_a_state_of_its_own():
    pcm = speechlike(G722)
    alone = through(G722, pcm)
    other, near, far = make_coder(G722), make_coder(G722), make_coder(G722)
    heard = []
    for frame in np.split(pcm, len(pcm) // 320):
        other.encode(frame[::-1].copy())
        heard.append(far.decode(near.encode(frame)))
    assert np.array_equal(np.concatenate(heard), alone)
