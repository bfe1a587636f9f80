"""Tokens, beside those of LiveKit's own SDK."""

import json
from datetime import timedelta

import jwt
from hypothesis import given
from hypothesis import strategies as st
from livekit import api

from agents.calling import DispatchMetadata
from agents.contract import AGENT_NAME, WITH_AGENT
from control_plane.tokens.signer import Grants, Pass, TokenSigner

KEY, SECRET = "devkey", "devsecret-devsecret-devsecret-devsecret"
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)
PASSES = st.builds(
    Pass,
    identity=TEXT.filter(bool),
    room=TEXT.filter(bool),
    ttl=st.integers(30, 21_600).map(lambda seconds: timedelta(seconds=seconds)),
    grants=st.builds(
        Grants,
        can_publish=st.booleans(),
        can_subscribe=st.booleans(),
        can_publish_data=st.booleans(),
        can_publish_sources=st.none() | st.lists(st.sampled_from(["camera", "microphone"])).map(tuple),
        can_update_own_metadata=st.booleans(),
    ),
    name=TEXT,
    metadata=TEXT,
    attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    dispatches=st.lists(st.builds(DispatchMetadata, ticket=TEXT, identity=TEXT, name=TEXT), max_size=2).map(tuple),
)


def of_the_sdk(entry: Pass) -> str:
    """The same token as LiveKit's SDK writes it."""
    grants = entry.grants
    video = api.VideoGrants(
        room_join=True,
        room=entry.room,
        can_publish=grants.can_publish,
        can_subscribe=grants.can_subscribe,
        can_publish_data=grants.can_publish_data,
        can_update_own_metadata=grants.can_update_own_metadata,
        can_publish_sources=None if grants.can_publish_sources is None else list(grants.can_publish_sources),  # type: ignore[arg-type]
    )
    token = api.AccessToken(KEY, SECRET).with_identity(entry.identity).with_ttl(entry.ttl).with_grants(video)
    token = token.with_kind("standard").with_name(entry.name).with_metadata(entry.metadata)
    token = token.with_attributes(entry.attributes | ({WITH_AGENT: "yes"} if entry.dispatches else {}))
    if entry.dispatches:
        agents = [
            api.RoomAgentDispatch(agent_name=AGENT_NAME, metadata=each.model_dump_json()) for each in entry.dispatches
        ]
        token = token.with_room_config(api.RoomConfiguration(agents=agents))
    return token.to_jwt()


@given(PASSES)
def test_a_token_says_what_livekits_own_sdk_would_say(entry: Pass) -> None:
    ours, theirs = (
        {
            name: value
            for name, value in jwt.decode(token, SECRET, ["HS256"], options={"verify_sub": False}).items()
            if value
        }
        for token in (TokenSigner(KEY, SECRET).sign(entry), of_the_sdk(entry))
    )
    lifetimes = [claims.pop("exp") - claims.pop("nbf") for claims in (ours, theirs)]
    assert abs(lifetimes[0] - lifetimes[1]) <= 1
    theirs["video"] = {name: value for name, value in theirs["video"].items() if value is not None}
    if not theirs["video"].get("canPublishSources"):
        theirs["video"].pop("canPublishSources", None)
        ours["video"].pop("canPublishSources", None)
    assert ours == theirs


def test_livekit_accepts_a_token() -> None:
    signed = TokenSigner(KEY, SECRET).sign(Pass(identity="u", room="proj_r", ttl=timedelta(hours=1)))
    claims = api.TokenVerifier(KEY, SECRET).verify(signed)
    assert claims.video is not None
    assert (claims.identity, claims.video.room, claims.video.room_join) == ("u", "proj_r", True)
    assert json.loads(json.dumps(claims.kind)) == "standard"
