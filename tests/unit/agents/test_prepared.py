"""Sentences whose sound is there before they are needed."""

import os
import wave
from pathlib import Path

import pytest

from agents.prepared import FILLERS, PACKAGED, Sounds, texts_of
from agents.settings import WorkerSettings
from agents.words import ENGLISH, LANGUAGES
from tests.support.scripted import LETTER, ScriptedLLM, ScriptedSTT, ScriptedTTS
from tests.support.virtual import BEGIN, run_virtually
from tests.support.virtual_calls import chained, virtual_job

TEXTS = texts_of(ENGLISH)


def seconds(sounds: Sounds, name: str) -> float:
    return sum(frame.duration for frame in sounds.frames(name))  # type: ignore[arg-type]


def voices(*models: ScriptedTTS):
    return chained([ScriptedLLM()], models, [ScriptedSTT()], lambda _: None).tts


@pytest.mark.parametrize("name", TEXTS)
def test_every_sentence_comes_with_the_software(name: str, tmp_path: Path) -> None:
    with wave.open(str(PACKAGED / "en" / f"{name}.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
    for rate in (16_000, 24_000, 48_000):
        sounds = Sounds(tmp_path, "voice", rate)
        assert 0.8 < seconds(sounds, name) < 6
        assert {frame.sample_rate for frame in sounds.frames(name)} == {rate}  # type: ignore[arg-type]


def test_they_are_spoken_once_for_each_voice_and_host(tmp_path: Path) -> None:
    voice, other = ScriptedTTS(), ScriptedTTS()

    async def run() -> None:
        sounds = Sounds(tmp_path, "voice")
        assert sounds.filler(0) is not None
        await sounds.make(voices(voice))
        for name, text in TEXTS.items():
            assert seconds(sounds, name) == pytest.approx(len(text) * LETTER, abs=0.05)
        again = Sounds(tmp_path, "voice")
        await again.make(voices(other))
        assert seconds(again, "sorry") == seconds(sounds, "sorry")

    run_virtually(run())
    assert sorted(voice.asked) == sorted(TEXTS.values())
    assert other.asked == []


def test_a_voice_that_fails_leaves_the_sentences_that_come_with_us(tmp_path: Path) -> None:
    sounds = Sounds(tmp_path, "voice")
    before = seconds(sounds, "apology")
    run_virtually(sounds.make(voices(ScriptedTTS(fault="error"))))
    assert seconds(Sounds(tmp_path, "voice"), "apology") == before
    working = ScriptedTTS()
    run_virtually(Sounds(tmp_path, "voice").make(voices(working)))
    assert working.asked, "the next call has them made"


def test_anothers_voice_is_not_kept_as_ones_own(tmp_path: Path) -> None:
    run_virtually(Sounds(tmp_path, "voice").make(voices(ScriptedTTS("a", fault="error"), ScriptedTTS("b"))))
    assert list(tmp_path.rglob("*.wav")) == []


def test_two_calls_do_not_make_them_at_once(tmp_path: Path) -> None:
    (tmp_path / "voice").mkdir()
    claim = tmp_path / "voice" / "making"
    claim.touch()
    os.utime(claim, (BEGIN, BEGIN))
    voice = ScriptedTTS()
    run_virtually(Sounds(tmp_path, "voice").make(voices(voice)))
    assert voice.asked == []
    os.utime(claim, (BEGIN - 300, BEGIN - 300))
    run_virtually(Sounds(tmp_path, "voice").make(voices(voice)))
    assert voice.asked, "whoever was at it is no more"


def test_each_voice_has_its_own(tmp_path: Path) -> None:
    settings = WorkerSettings.model_validate(
        {
            "environment": "development",
            "worker_token": "t",
            "livekit_api_key": "k",
            "livekit_api_secret": "s",
            "spool_dir": tmp_path,
        }
    )
    jobs = [virtual_job(), virtual_job(tts={"voice": "b"}), virtual_job(language="de")]
    folders = {Sounds.of_job(settings, job)._folder for job in jobs}
    assert len(folders) == 3
    assert Sounds.of_job(settings, virtual_job())._folder in folders


def test_the_two_that_ask_for_patience_differ(tmp_path: Path) -> None:
    assert TEXTS[FILLERS[0]] != TEXTS[FILLERS[1]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_own_sentences_and_a_sound_for_each(language: str, tmp_path: Path) -> None:
    words = LANGUAGES[language]
    sounds = Sounds(tmp_path, "voice", words=words)
    for name in TEXTS:
        assert 0.6 < seconds(sounds, name) < 9
    voice = ScriptedTTS()
    run_virtually(sounds.make(voices(voice)))
    assert sorted(voice.asked) == sorted(texts_of(words).values())
