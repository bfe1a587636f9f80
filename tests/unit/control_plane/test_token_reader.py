"""Tokens that somebody shows: good ones say who one is, all others nothing."""

import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from control_plane.tokens.reader import Shown, TokenReader
from control_plane.tokens.signer import Grants, Pass, TokenSigner

KEY, SECRET = "devkey", "a secret of at least thirty-two bytes"


def claims(**changes: Any) -> dict[str, Any]:
    video = {"roomJoin": True, "room": "proj_demo"}
    return {"iss": KEY, "sub": "ada", "exp": int(time.time()) + 60, "video": video} | changes


def signed(said: dict[str, Any], secret: str = SECRET) -> str:
    return jwt.encode(said, secret, "HS256")


def test_a_token_of_ours_says_who_one_is_and_what_it_opens() -> None:
    asked = Pass("ada", "proj_demo", timedelta(minutes=1), Grants(can_publish_data=False), name="Ada")
    token = TokenSigner(KEY, SECRET).sign(asked)
    assert TokenReader(KEY, SECRET).read(token) == Shown(token, "ada", "Ada", "proj_demo", may_chat=False)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        signed(claims(), "another secret of thirty-two bytes or more"),
        signed(claims(iss="another key")),
        signed(claims(exp=int(time.time()) - 1)),
        signed({name: value for name, value in claims().items() if name != "exp"}),
        signed(claims(video={"roomJoin": False, "room": "proj_demo"})),
        signed(claims(video={"roomJoin": True})),
        signed(claims(video=5)),
        signed(claims(sub="")),
        signed(claims(sub="a\u0000")),
        jwt.encode(claims(), None, "none"),
    ],
)
def test_what_is_no_good_token_says_nothing(token: str) -> None:
    assert TokenReader(KEY, SECRET).read(token) is None
