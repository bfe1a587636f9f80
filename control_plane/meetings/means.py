"""What a meeting may be asked for, and what its server or project has for it."""

from dataclasses import dataclass, field
from typing import Self

from control_plane.errors import InvalidRequest
from control_plane.meetings.schemas import Controls, MeetingSettings
from control_plane.settings import Settings

STORE = "PUT /api/v1/projects/{id}/provider-credentials/{provider}"


@dataclass(frozen=True, slots=True)
class Means:
    """What this server has for the options of meetings."""

    model: str
    """What answers where an agent names none."""
    seeing: frozenset[str] = field(default_factory=frozenset)
    """Models that take pictures."""
    sees: bool = False
    thinks: bool = False
    searches: bool = False
    voices: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of a server."""
        return cls(
            model=settings.llm_model,
            seeing=frozenset(settings.seeing_models),
            sees=bool(settings.vision_model),
            thinks=bool(settings.thinking_model or settings.thinking_effort),
            searches=bool(settings.search_url),
            voices=frozenset({"openai", *settings.voice_providers}),
        )

    def voices_for(self, controls: Controls, own: frozenset[str]) -> frozenset[str]:
        """Providers whose voices a meeting can have, where the project has keys of its own for `own`."""
        return self.voices | own if controls.use_own_keys else self.voices

    def demand(self, body: MeetingSettings, controls: Controls, own: frozenset[str], model: str | None) -> None:
        """Raise `InvalidRequest` for what was asked for and cannot be had; it says what to set.

        `model` is what the agent names.
        """
        named, voice = "voice_provider" in body.model_fields_set, body.voice_provider
        if named and voice not in self.voices_for(controls, own):
            raise InvalidRequest.field(
                "voice_provider",
                f"{voice} has no credentials here; name it in PARLEY_VOICE_PROVIDERS and give workers its key in "
                f"PARLEY_PROVIDER_KEYS, or store your own ({STORE}) and send use_own_keys",
            )
        answering = model or self.model
        needs = {
            "deep_thinking": (self.thinks, "a model that thinks; set PARLEY_THINKING_MODEL or PARLEY_THINKING_EFFORT"),
            "live_vision": (
                answering in self.seeing,
                f"a model that takes pictures; where {answering} does, name it in PARLEY_SEEING_MODELS",
            ),
            "gpt_vision": (self.sees, "a model that takes pictures; set PARLEY_VISION_MODEL"),
            "web_search": (self.searches, "a search server; set PARLEY_SEARCH_URL"),
            "use_own_keys": (bool(own), f"stored keys of the project; {STORE}"),
        }
        for name, (is_there, need) in needs.items():
            if getattr(controls, name) and not is_there:
                raise InvalidRequest.field(name, f"needs {need}")
