"""Messages in our name, and in LiveKit's to us: changed in any place, not one of them is believed."""

import base64
import hashlib
import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import jwt
from livekit import api
from standardwebhooks.webhooks import Webhook

from control_plane.webhooks import signing
from tests.support.tried import sample, tried

LINE: Final = "webhooks: mutated signatures"
HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature", "X-Webhook-Signature")
KEY, SECRET = "devkey", "a secret of LiveKit's, which is long enough for every algorithm there is"
Message = tuple[bytes, dict[str, str], str]
"""A body, its headers, and the secret with which its receiver looks at it."""


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def flipped(raw: bytes, dice: random.Random) -> bytes:
    """The same but for one bit."""
    place = dice.randrange(len(raw))
    return raw[:place] + bytes([raw[place] ^ (1 << dice.randrange(7))]) + raw[place + 1 :]


def cut(raw: bytes, dice: random.Random) -> bytes:
    """The same without its end."""
    return raw[: dice.randrange(len(raw))]


def _of_body(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Message, random.Random], Message]:
    return lambda message, dice: (change(message[0], dice), *message[1:])


def _signature(change: Callable[[bytes, random.Random], bytes]) -> Callable[[Message, random.Random], Message]:
    def changed(message: Message, dice: random.Random) -> Message:
        body, headers, secret = message
        standard = base64.b64decode(headers["webhook-signature"].removeprefix("v1,"))
        own = bytes.fromhex(headers["X-Webhook-Signature"])
        new = {
            "webhook-signature": "v1," + base64.b64encode(change(standard, dice)).decode(),
            "X-Webhook-Signature": change(own, dice).hex(),
        }
        return body, headers | new, secret

    return changed


def _of_another(message: Message, dice: random.Random) -> Message:
    body, headers, secret = message
    other = signing.headers(flipped(body, dice), message="42", timestamp=now(), keys=[secret])
    return body, headers | {name: other[name] for name in HEADERS if "ignature" in name}, secret


def _of_another_secret(message: Message, _dice: random.Random) -> Message:
    return *message[:2], signing.new_secret()


def _unknown_version(message: Message, dice: random.Random) -> Message:
    body, headers, secret = message
    version = dice.choice(["v0", "v1a", "v2", "V1", ""])
    standard = headers["webhook-signature"].replace("v1", version, 1)
    return body, headers | {"webhook-signature": standard, "X-Webhook-Signature": version}, secret


CHANGES: Final[tuple[Callable[[Message, random.Random], Message], ...]] = (
    _of_body(flipped),
    _of_body(cut),
    _of_body(lambda body, _: body + b" "),
    _of_body(lambda body, _: b" " + body),
    _of_body(lambda body, _: json.dumps(json.loads(body), indent=1).encode()),
    _signature(flipped),
    _signature(cut),
    _signature(lambda raw, _: raw[::-1]),
    _signature(lambda raw, _: raw + b"\0"),
    _signature(lambda raw, dice: dice.randbytes(len(raw))),
    _of_another,
    _of_another_secret,
    _unknown_version,
)
OF_THE_TRIPLE: Final[tuple[Callable[[dict[str, str], random.Random], dict[str, str]], ...]] = (
    lambda headers, dice: headers | {"webhook-id": f"{int(headers['webhook-id']) + dice.randrange(1, 99)}"},
    lambda headers, dice: headers | {"webhook-id": headers["webhook-id"] + dice.choice(" .0")},
    lambda headers, dice: headers | {"webhook-timestamp": str(now() - dice.randrange(400, 10_000))},
    lambda headers, dice: headers | {"webhook-timestamp": str(now() + dice.randrange(400, 10_000))},
    lambda headers, dice: (
        headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - dice.randrange(1, 9))}
    ),
    lambda headers, dice: headers | {dice.choice(HEADERS[:3]): ""},
)
"""What only the Standard Webhooks triple signs: which message it is, and when it was sent."""


def page() -> dict[str, Any]:
    """The verifiers of docs/webhooks.md, which receivers copy."""
    text, said = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text(), dict[str, Any]()
    for snippet in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(snippet, said)
    return said


def believed(judge: Callable[..., Any], *said: Any) -> bool:
    """Whether a verifier takes it: false for one that raises, too."""
    try:
        return bool(judge(*said))
    except Exception:
        return False


def message_of(dice: random.Random) -> Message:
    secret = signing.new_secret()
    body = json.dumps({"id": dice.randrange(10**9), "type": "call.ended", "data": {"name": dice.randbytes(8).hex()}})
    number = str(dice.randrange(10**6))
    return body.encode(), signing.headers(body.encode(), message=number, timestamp=now(), keys=[secret]), secret


def test_a_changed_message_is_believed_by_no_receiver() -> None:
    verifiers, count, wrong, dice = page(), 0, list[Any](), random.Random(31)

    def standard(secret: str, headers: dict[str, str], body: bytes) -> bool:
        return isinstance(Webhook(secret).verify(body, headers), dict)

    for number in range(sample(400, 20)):
        body, headers, secret = message_of(dice)
        assert believed(standard, secret, headers, body), "it is genuine"
        assert believed(verifiers["is_genuine"], secret, headers, body)
        for place, change in enumerate(CHANGES):
            sent, signed, key = change((body, headers, secret), dice)
            for judge in (standard, verifiers["is_genuine"]):
                count += 1
                wrong += [(number, place, sent, signed)] * believed(judge, key, signed, sent)
        for place, alter in enumerate(OF_THE_TRIPLE):
            count += 1
            wrong += [(number, "triple", place)] * believed(standard, secret, alter(headers, dice), body)
    tried(LINE, count, len(wrong))
    assert wrong == []


def hook(body: str, *, secret: str = SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    """LiveKit's own signature of a hook."""
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    claims = {"iss": KEY, "exp": datetime.now(UTC) + timedelta(minutes=5), "sha256": digest} | changed
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, secret if algorithm != "none" else None, algorithm=algorithm)


def test_a_changed_hook_is_not_livekits() -> None:
    receiver, dice = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET)), random.Random(32)
    count, wrong = 0, list[Any]()
    for number in range(sample(250, 20)):
        body = json.dumps({"event": "room_started", "room": {"name": f"proj_{dice.randrange(10**6)}"}})
        right = hook(body)
        assert believed(receiver.receive, body, right)
        head, claims, signature = right.split(".")
        raw = base64.urlsafe_b64decode(signature + "=")
        changed = base64.urlsafe_b64encode(flipped(raw, dice)).decode().rstrip("=")
        late = datetime.now(UTC) - timedelta(hours=dice.randrange(2, 90))
        for place, (sent, token) in enumerate(
            [
                (flipped(body.encode(), dice).decode(), right),
                (cut(body.encode(), dice).decode(), right),
                (body + " ", right),
                (body.replace("started", "finished"), right),
                (body, f"{head}.{claims}.{changed}"),
                (body, f"{head}.{claims}."),
                (body, hook(body, algorithm="none")),
                (body, hook(body, algorithm="HS512")),
                (body, hook(body, secret=SECRET + "!")),
                (body, hook(body, iss="another")),
                (body, hook(body, exp=late)),
                (body, hook(body, exp=None)),
                (body, hook(body, sha256=None)),
                (body, hook(body + " ")),
                (body, ""),
            ]
        ):
            count += 1
            wrong += [(number, place, sent, token)] * believed(receiver.receive, sent, token)
    tried(LINE, count, len(wrong))
    assert wrong == []
