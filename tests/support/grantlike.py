"""Requests for tokens that ask for more than anybody may have, by a seed; and what a token may say at the most."""

import json
import random
import unicodedata
from collections.abc import Iterator
from typing import Any, Final

import jwt

from agents.contract import WITH_AGENT

RESERVED: Final = ("agent-", "bot-", "supervisor-", "sip_", "eg_", "p_", "visitor-", "tester-")
SOURCES: Final = ("camera", "microphone", "screen_share", "screen_share_audio")
OUR_GRANTS: Final = (
    "canPublish",
    "canSubscribe",
    "canPublishData",
    "canPublishSources",
    "canUpdateOwnMetadata",
    "hidden",
)
FORBIDDEN: Final = (
    "roomAdmin",
    "roomCreate",
    "roomList",
    "roomRecord",
    "roomJoin",
    "room",
    "ingressAdmin",
    "recorder",
    "agent",
    "hidden",
    "destinationRoom",
    "canSubscribeMetrics",
    "canManageAgentSession",
)
CLAIMS: Final = (
    "video",
    "sip",
    "inference",
    "observability",
    "roomConfig",
    "roomPreset",
    "kind",
    "kindDetails",
    "sha256",
    "sub",
    "iss",
    "exp",
    "nbf",
    "jti",
    "grants",
    "dispatches",
    "max_participants",
)
VALUES: Final = (
    True,
    False,
    1,
    "true",
    None,
    [],
    {},
    "agent",
    "theirs_room",
    {"admin": True, "call": True},
    {"agents": [{"agentName": "parley"}]},
    {"roomAdmin": True, "room": "theirs_r"},
    [{"roomAdmin": True}],
)
_ALIKE: Final = {
    "a": "\u0430\uff41\u0251",
    "e": "\u0435\uff45",
    "i": "\u0456\uff49",
    "o": "\u043e\uff4f",
    "p": "\u0440\uff50",
    "s": "\u0455\uff53",
    "g": "\u0261\uff47",
    "-": "\u2011\u2013\uff0d\u2212",
    "_": "\uff3f",
}
_NOTHING: Final = "\u200b\u200d\u00ad\ufeff\u202e\u2060\u0007"
ALLOWED_CLAIMS: Final = {"iss", "sub", "nbf", "exp", "kind", "video", "name", "metadata", "attributes", "roomConfig"}
ALLOWED_GRANTS: Final = {"roomJoin", "room", *OUR_GRANTS} - {"hidden"}


class Twice(dict[str, Any]):
    """An object as it is written: its keys may occur twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def written(value: Any) -> str:
    """As JSON, with keys that occur twice."""
    match value:
        case Twice():
            return "{" + ",".join(f"{json.dumps(key)}:{written(part)}" for key, part in value.pairs) + "}"
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{written(part)}" for key, part in value.items()) + "}"
        case list():
            return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def respelt(name: str, dice: random.Random) -> str:
    """A name in other letters: case, snake, look-alikes, letters that nobody sees."""
    match dice.randrange(8):
        case 0:
            return name.upper()
        case 1:
            return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        case 2:
            return name[:1].swapcase() + name[1:]
        case 3:
            at = dice.randrange(len(name) + 1)
            return name[:at] + dice.choice(_NOTHING) + name[at:]
        case 4:
            return "".join(dice.choice(_ALIKE[letter]) if letter in _ALIKE else letter for letter in name)
        case 5:
            return f"{dice.choice(('video.', 'grants.', '$', ' ', '__'))}{name}"
        case 6:
            return name.replace("-", dice.choice(_ALIKE["-"]))
    return name


def smuggled(dice: random.Random) -> tuple[str, Any]:
    """A field that nobody may choose, with a value."""
    name = dice.choice((*FORBIDDEN, *CLAIMS))
    value: Any = dice.choice(VALUES)
    for _ in range(dice.choice((0, 0, 1, 2))):
        value = {respelt(dice.choice(FORBIDDEN), dice): value}
    return respelt(name, dice), value


def grants(dice: random.Random) -> Any:
    """Some of the grants that may be chosen, and rarely others."""
    pairs: list[tuple[str, Any]] = []
    for name in OUR_GRANTS:
        if dice.random() < 0.4:
            value: Any = dice.random() < 0.5 if name != "hidden" else dice.random() < 0.1
            if name == "canPublishSources":
                value = dice.sample(SOURCES, dice.randrange(len(SOURCES) + 1))
            pairs.append((name, value if dice.random() < 0.95 else dice.choice(VALUES)))
    if dice.random() < 0.4:
        pairs.insert(dice.randrange(len(pairs) + 1), smuggled(dice))
    if pairs and dice.random() < 0.08:
        pairs.append((dice.choice(pairs)[0], True))
    if dice.random() < 0.03:
        return dice.choice([True, None, [Twice(pairs)], "roomAdmin"])
    return Twice(pairs)


def identity(dice: random.Random) -> str:
    """Who somebody wants to be."""
    if dice.random() < 0.6:
        return dice.choice(
            ("user1", "ada@example.org", "Zoë", "用户", "a gent", "agent", "spirit_1", "egg-1", "botany")
        )
    name = dice.choice(RESERVED)
    for _ in range(dice.randrange(3)):
        name = respelt(name, dice)
    return name + dice.choice(("1", "", "ada", "7-voice"))


def requests(seed: int, count: int) -> Iterator[tuple[Twice, str]]:
    """So many bodies of `POST /token`, each with the text that is sent."""
    dice = random.Random(seed)
    for number in range(count):
        pairs: list[tuple[str, Any]] = [
            ("identity", identity(dice)),
            ("room", dice.choice(("r", "a.b-c_d", "proj_r", "theirs_r", "call+1", "", "a/b", "r" * 129, f"r{number}"))),
        ]
        if dice.random() < 0.8:
            pairs.append(("grants", grants(dice)))
        if dice.random() < 0.3:
            pairs.append(("ttl_seconds", dice.choice((29, 30, 600, 21_600, 21_601, -1, 10**12, 60.0, "60", True))))
        if dice.random() < 0.2:
            pairs.append(("metadata", dice.choice(("{}", '{"ticket": "x"}', "\u202e", 5))))
        if dice.random() < 0.3:
            key = dice.choice(("team", "parley.recorded", "lk.agent.state", "sip.callStatus", "parley", "tulip.x"))
            pairs.append(("attributes", {respelt(key, dice) if dice.random() < 0.5 else key: "yes"}))
        if dice.random() < 0.25:
            pairs.insert(dice.randrange(len(pairs) + 1), smuggled(dice))
        if dice.random() < 0.05:
            pairs.append((dice.choice(pairs)[0], "agent-1"))
        body = Twice(pairs)
        yield body, written(body)


def without_disguise(name: str) -> str:
    """A name in lower case, its look-alikes undone, without what is not drawn. Not the platform's own judgement."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    for letter, others in _ALIKE.items():
        for other in others:
            plain = plain.replace(other, letter)
    return "".join(letter for letter in plain if unicodedata.category(letter) not in ("Cc", "Cf", "Zs"))


def excess(
    claims: dict[str, Any], *, room: str, ttl: int, kind: str = "standard", own_identity: bool = False
) -> list[str]:
    """What a token says beyond what it may."""
    video, wrong = claims.get("video", {}), []
    hidden = {"hidden"} if kind == "agent" else set()
    wrong += [f"claim {name}" for name in claims.keys() - ALLOWED_CLAIMS]
    wrong += [f"grant {name}" for name in video.keys() - ALLOWED_GRANTS - hidden]
    wrong += [
        f"grant {name}={value!r}" for name, value in video.items() if name.startswith("can") and _odd(name, value)
    ]
    if video.get("room") != room:
        wrong.append(f"room {video.get('room')!r} instead of {room!r}")
    if not 0 < claims["exp"] - claims["nbf"] <= ttl:
        wrong.append(f"lasts {claims['exp'] - claims['nbf']} s instead of {ttl}")
    if claims.get("kind") != kind:
        wrong.append(f"kind {claims.get('kind')!r}")
    if not own_identity and without_disguise(claims["sub"]).startswith(RESERVED):
        wrong.append(f"identity {claims['sub']!r}")
    if not own_identity:
        brings = {WITH_AGENT: "yes"} if "roomConfig" in claims else {}
        names = map(without_disguise, dict(claims.get("attributes", {}).items() - brings.items()))
        wrong += [f"attribute {name}" for name in names if name.startswith(("lk.", "parley.", "sip."))]
    configuration = claims.get("roomConfig", {"agents": []})
    wrong += [f"configuration {name}" for name in configuration.keys() - {"agents", "maxParticipants"}]
    for agent in configuration["agents"]:
        if agent.keys() != {"agentName", "metadata"} or agent["agentName"] != "parley":
            wrong.append(f"dispatch {agent}")
        if json.loads(agent["metadata"]).keys() - {"ticket", "identity", "name"}:
            wrong.append(f"dispatch {agent['metadata']}")
    return wrong


def _odd(name: str, value: Any) -> bool:
    if name == "canPublishSources":
        return not set(value) <= set(SOURCES)
    return not isinstance(value, bool)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    said: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return said
