"""Keys and passwords of one installation: made once, kept in a file that only its owner reads."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from parley.stack.errors import DirectoryUnusable
from parley.stack.files import write_whole

ACCOUNT_EMAIL = "demo@parley.example"


def _token() -> str:
    return secrets.token_urlsafe(24)  # 32 characters


@dataclass(frozen=True, repr=False)
class Secrets:
    """What the processes of one installation prove themselves with, and the demo account's keys."""

    api_key: str
    api_secret: str
    admin_key: str
    account_email: str
    account_password: str
    livekit_api_key: str
    livekit_api_secret: str
    worker_token: str
    secret_key: str
    redis_password: str
    postgres_password: str
    owner_password: str
    app_password: str
    knowledge_password: str

    @classmethod
    def generate(cls) -> Secrets:
        """Make new ones from the operating system's randomness."""
        return cls(
            api_key=f"pk_{_token()}",
            api_secret=f"sk_{_token()}",
            admin_key=f"ak_{_token()}",
            account_email=ACCOUNT_EMAIL,
            account_password=_token(),
            livekit_api_key=f"API{secrets.token_hex(6)}",
            livekit_api_secret=secrets.token_urlsafe(36),
            worker_token=secrets.token_urlsafe(36),
            secret_key=base64.b64encode(secrets.token_bytes(32)).decode("ascii"),
            redis_password=_token(),
            postgres_password=_token(),
            owner_password=_token(),
            app_password=_token(),
            knowledge_password=_token(),
        )


def load_or_create(path: Path, *, database_exists: bool) -> Secrets:
    """Read the installation's secrets, or make them when it has no data yet."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if database_exists:
            raise DirectoryUnusable(
                f"{path} is missing",
                "the database beside it was made with its passwords, and stored secrets are encrypted with its key",
                "Put the file back from a backup, or start with an empty directory (--data DIR)",
            ) from None
        made = Secrets.generate()
        write_whole(path, json.dumps(asdict(made), indent=1) + "\n", durable=True)
        return made
    return _parse(text, path)


def _parse(text: str, path: Path) -> Secrets:
    names = [field.name for field in fields(Secrets)]
    try:
        content = json.loads(text)
        values = {name: content[name] for name in names}
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"it cannot be read ({error!r})") from error
    if not all(isinstance(value, str) and value for value in values.values()):
        raise _damaged(path, "a value in it is empty or no text")
    if path.stat().st_mode & 0o077:
        os.chmod(path, 0o600)
    return Secrets(**values)


def _damaged(path: Path, why: str) -> DirectoryUnusable:
    return DirectoryUnusable(
        f"{path} is damaged", why, "Put the file back from a backup, or start with an empty directory (--data DIR)"
    )
