"""Where whole files go: a folder, or a bucket of S3, Google or Azure."""

import asyncio
import contextlib
import errno
import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import obstore
from google.protobuf.message import Message
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from pocket.recorder.encoding import FORMATS

REQUEST_WITHIN: Final = timedelta(seconds=30)
RETRY_WITHIN: Final = timedelta(seconds=20)
"""Of the store's own retries."""
LONGEST_MESSAGE: Final = 300
_REGION: Final = "us-east-1"
_SECRETS: Final = ("access_key", "secret", "session_token", "credentials", "account_key")
_TYPES: Final = {made.ending: made.mime for made in FORMATS.values()} | {
    ".json": "application/json",
    ".ts": "video/mp2t",
}
_NAMES: Final = {"S3Upload": "S3", "GCPUpload": "GCP", "AzureBlobUpload": "Azure"}


class StorageError(Exception):
    """A file could not be stored; says why in words that name no secret."""


def put_locally(local: Path, root: Path, name: str, *, instead: str, replace: bool = False) -> Path:
    """Have a file below a root, too, and never over another: then its name ends with `instead`. Raises `StorageError`.

    It is one file with two names where that can be, so that it costs nothing and may be done again. With `replace` it
    takes the place of another.
    """
    wanted = root / name
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        if not wanted.parent.resolve().is_relative_to(root.resolve()):
            raise StorageError("the file would be outside of the folder of recordings")
        if replace:
            beside = wanted.with_name(f".{wanted.name}.{instead}")
            beside.unlink(missing_ok=True)
            _link(local, beside)
            return beside.replace(wanted)
        for place in (wanted, wanted.with_name(f"{wanted.stem}-{instead}{wanted.suffix}")):
            if place.exists() and place.samefile(local):
                return place
            with contextlib.suppress(FileExistsError):
                _link(local, place)
                return place
    except OSError as error:
        raise StorageError(f"local storage failed: {os.strerror(error.errno or errno.EIO)}") from None
    raise StorageError("local storage failed: there is such a file already")


def _link(local: Path, place: Path) -> None:
    try:
        os.link(local, place)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        beside = place.with_name(f".{place.name}.part")  # another file system: whole or not at all
        try:
            shutil.copyfile(local, beside)
            os.link(beside, place)
        finally:
            beside.unlink(missing_ok=True)


async def upload(local: Path, name: str, to: Message, within: float) -> str:
    """Put a file into a bucket; where it is. Raises `StorageError`."""
    kind = _NAMES[to.DESCRIPTOR.name]
    ending = local.suffix
    attributes = {"Content-Type": _TYPES.get(ending, "application/octet-stream")}
    if kind == "S3":
        attributes |= dict(to.metadata) | (  # type: ignore[attr-defined]
            {"Content-Disposition": to.content_disposition} if to.content_disposition else {}  # type: ignore[attr-defined]
        )
    try:
        store, place = _store(to)
        async with asyncio.timeout(within):
            await obstore.put_async(store, name, local, attributes=attributes)
    except TimeoutError:
        raise StorageError(f"{kind} upload failed: no answer within {within:.0f} s") from None
    except (BaseError, OSError, ValueError) as error:
        raise StorageError(f"{kind} upload failed: {_told(error, to)}") from None
    return f"{place}/{name}"


def _store(to: Any) -> tuple[ObjectStore, str]:
    """The bucket, and how its files are addressed."""
    client: Any = {"allow_http": True, "timeout": REQUEST_WITHIN, "connect_timeout": timedelta(seconds=5)}
    retry: Any = {"max_retries": 3, "retry_timeout": RETRY_WITHIN}
    match to.DESCRIPTOR.name:
        case "GCPUpload":
            credentials = {"service_account_key": to.credentials} if to.credentials else {}
            google: Any = GCSStore(to.bucket, **credentials, client_options=client, retry_config=retry)
            return google, f"https://{to.bucket}.storage.googleapis.com"
        case "AzureBlobUpload":
            azure: Any = AzureStore(
                to.container_name,
                account_name=to.account_name,
                account_key=to.account_key,
                client_options=client,
                retry_config=retry,
            )
            return azure, f"https://{to.account_name}.blob.core.windows.net/{to.container_name}"
    endpoint = to.endpoint and (to.endpoint if "://" in to.endpoint else f"https://{to.endpoint}").rstrip("/")
    options: Any = {
        "region": to.region or _REGION,
        "virtual_hosted_style_request": not to.force_path_style,
    }
    for name, value in (
        ("access_key_id", to.access_key),
        ("secret_access_key", to.secret),
        ("session_token", to.session_token),
        ("endpoint", endpoint),
    ):
        if value:
            options[name] = value
    store: Any = S3Store(to.bucket, **options, client_options=client, retry_config=retry)
    return store, f"{endpoint}/{to.bucket}" if endpoint else f"https://{to.bucket}.s3.amazonaws.com"


def _told(error: Exception, to: Message) -> str:
    text = re.sub(r"\s+", " ", str(error))
    for field, value in to.ListFields():
        if field.name in _SECRETS and value:
            text = text.replace(value, "{" + field.name + "}")
    return text[:LONGEST_MESSAGE]
