"""Speech recognition that tells when each word was said, at the operator's OpenAI-compatible server."""

from types import TracebackType
from typing import Final, Self

import httpx2

from agents.settings import BotHostSettings

OPENAI: Final = "https://api.openai.com/v1"


class Recogniser:
    """Recognises sentences; one for the process. Use as an asynchronous context."""

    def __init__(self, settings: BotHostSettings) -> None:
        self._url = (settings.models_url or OPENAI).rstrip("/")
        key = settings.models_api_key.get_secret_value()
        self._http = httpx2.AsyncClient(timeout=30, headers={"Authorization": f"Bearer {key}"})
        self._model = settings.words_model or settings.stt_model

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        await self._http.aclose()
