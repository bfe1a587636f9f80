"""What the settings of all processes have in common: which secrets they take, and how they say what is wrong.

Secrets that everybody knows, or that anybody could guess: no process starts with one outside development.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from guard import logs

WELL_KNOWN: Final = frozenset(
    [
        "admin",
        "changeme",
        "change-me",
        "default",
        "dev",
        "devkey",
        "devsecret",
        "development",
        "example",
        "guest",
        "letmein",
        "livekit",
        "parley",
        "passw0rd",
        "password",
        "password1",
        "postgres",
        "qwerty",
        "redis",
        "root",
        "s3cr3t",
        "secret",
        "test",
        "token",
        "12345678",
        "123456789",
        "devsecret-devsecret-devsecret-devsecret",
    ]
)
"""What documentation, examples and lists of the commonest passwords use, in small letters."""
SHORTEST: Final = 16
"""Characters of a secret that only our own processes use: less can be found out by trying."""
OUR_OWN: Final = ("worker_token", "livekit_api_secret")
"""Settings that hold one."""
NAMES: Final = frozenset({"access_key_id", "account_name"})
"""What of the credentials of a store says who one is: it may be anything, as whoever knows it has nothing by it."""


class _Environment(EnvSettingsSource):
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """What a variable holds as JSON; where it is none, its text, which the field refuses by its name."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class FromEnvironment(BaseSettings):
    """Settings that are read once, from `PARLEY_…` variables, and say what is wrong without what they hold."""

    model_config = SettingsConfigDict(
        env_prefix="PARLEY_", env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the environment: nothing else is read."""
        return init_settings, _Environment(settings_cls)


class ProcessSettings(FromEnvironment):
    """Settings of a process that runs: outside development no secret of theirs is a well-known one, and none of them is
    ever written to this process's log."""

    environment: Literal["development", "production"] = Field(
        "production", description="A well-known secret starts only in development."
    )
    log_format: Literal["json", "console"] = Field("json", description="How log lines are written.")

    @model_validator(mode="after")
    def _own_secrets_outside_development(self) -> Self:
        demand_own_secrets(self)
        return self

    def model_post_init(self, _context: Any) -> None:
        """Hide every secret among the settings from the log."""
        logs.conceal(*(text for _, value in self for text in secrets_in(value) if not _is_known(text)))


def demand_own_secrets(settings: BaseModel) -> None:
    """Check every secret among the settings, and the passwords within addresses. Raises `ValueError`, which names the
    variables and never what they hold. With `environment="development"` everything is taken."""
    if getattr(settings, "environment", "production") == "development":
        return
    poor = [f"PARLEY_{name.upper()}" for name, value in settings if _is_poor(name, value)]
    if poor:
        raise ValueError(
            f"{', '.join(poor)}: a well-known or short secret does not start in production; make one of your own: "
            "openssl rand -base64 32"
        )


def wrong_settings(error: ValidationError) -> str:
    """Which variables are missing or wrong, without what they hold."""
    problems = [(problem["loc"], problem["msg"]) for problem in error.errors(include_input=False)]
    return "; ".join(f"PARLEY_{str(where[0]).upper()}: {text}" if where else text for where, text in problems)


def _is_poor(name: str, value: object) -> bool:
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key not in NAMES}
    return any(_is_known(text) or (name in OUR_OWN and len(text) < SHORTEST) for text in secrets_in(value))


def secrets_in(value: object) -> Iterator[str]:
    """The secrets within a setting: of an address, its password."""
    if isinstance(value, dict):
        for each in value.values():
            yield from secrets_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from secrets_in(each)
    elif isinstance(value, SecretStr):
        text = value.get_secret_value()
        if "://" not in text:
            yield text
        elif password := urlsplit(text).password:
            yield unquote(password)


def _is_known(text: str) -> bool:
    return text.casefold() in WELL_KNOWN or len(set(text)) == 1 or _is_monotonous(text)


def _is_monotonous(text: str) -> bool:
    """Base64 of one byte again and again, as of a key of zeros."""
    try:
        return len(set(base64.b64decode(text, validate=True))) == 1
    except (binascii.Error, ValueError):
        return False
