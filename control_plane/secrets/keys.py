"""Private keys that an installation makes for itself, once, and keeps sealed."""

import asyncio
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import select

from control_plane.db.database import Database
from control_plane.secrets.box import SecretBox
from control_plane.secrets.models import SigningKey

BITS: Final = 2048


async def find_rsa_key(database: Database, box: SecretBox, name: str) -> RSAPrivateKey:
    """The RSA key of that name, made where there is none yet: all processes have the same."""
    async with database.platform() as db:
        sealed = (await db.exec(select(SigningKey.sealed).where(SigningKey.name == name))).one_or_none()
    if sealed is None:
        made = await asyncio.to_thread(generate_private_key, public_exponent=65537, key_size=BITS)
        text = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        async with database.platform() as db:
            row = insert(SigningKey).values(name=name, sealed=box.seal(text.decode(), row=_row(name)))
            await db.execute(row.on_conflict_do_nothing())
            sealed = (await db.exec(select(SigningKey.sealed).where(SigningKey.name == name))).one()
    key = serialization.load_pem_private_key(box.open(sealed, row=_row(name)).encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def public_pem(key: RSAPrivateKey) -> str:
    """What receivers check signatures with."""
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return shown.decode()


def _row(name: str) -> str:
    return f"signing_key:{name}"
