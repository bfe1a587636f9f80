"""SDP: what telephones send, what strangers send, what both sides agree on."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pocket.rtp.codecs import CODECS, G722, PCMA, PCMU
from pocket.rtp.keys import SUITES, make_key, make_keys
from pocket.rtp.sdp import Description, SdpError, agree, answer, offer, parse

HERE, THERE = "192.0.2.10", "198.51.100.7"


def sdp(*media: str, session: str = f"c=IN IP4 {THERE}") -> bytes:
    lines = ["v=0", f"o=- 1 1 IN IP4 {THERE}", "s=-", *filter(None, [session]), "t=0 0", *media]
    return "\r\n".join([*lines, ""]).encode()


def audio(formats: str = "0 101", *attributes: str, port: int = 4000, profile: str = "RTP/AVP") -> list[str]:
    return [f"m=audio {port} {profile} {formats}", "a=rtpmap:101 telephone-event/8000", *(f"a={a}" for a in attributes)]


def ours(**changes) -> bytes:
    return offer(**{"address": HERE, "port": 5000, "session_id": 7, "version": 1, **changes})


def reply(offered: Description, **how) -> Description:
    return parse(answer(offered, agree(offered, **how), THERE, 4000, 9, 1))


# A telephone's own words


def test_an_offer_of_ours_is_read_as_it_was_meant():
    remote = parse(ours())
    assert (remote.address, remote.port, remote.profile) == (HERE, 5000, "RTP/AVP")
    assert remote.codecs == CODECS == (G722, PCMU, PCMA)
    assert remote.telephone_events == {8000: 101}
    assert (remote.direction, remote.ptime, remote.crypto) == ("sendrecv", 20, ())


def test_a_desk_telephones_offer_is_understood():
    remote = parse(
        b"v=0\no=root 1821 1821 IN IP4 198.51.100.7\ns=call\nc=IN IP4 203.0.113.1\nt=0 0\n"
        b"m=image 0 udptl t38\nm=audio 62006/2 RTP/AVP 99 9 8 18 126 101\nc=IN IP4 198.51.100.7\n"
        b"a=rtpmap:99 opus/48000/2\na=rtpmap:9 g722/8000\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\n"
        b"a=rtpmap:126 telephone-event/48000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:30\n"
        b"a=sendonly\nm=video 0 RTP/AVP 31"
    )
    assert (remote.address, remote.port) == ("198.51.100.7", 62006)
    assert remote.codecs == (G722, PCMA)
    assert remote.telephone_events == {48000: 126, 8000: 101}
    assert (remote.direction, remote.ptime, remote.audio, len(remote.media)) == ("sendonly", 30, 1, 3)


def test_a_static_number_may_be_given_another_meaning():
    assert parse(sdp(*audio("0 8", "rtpmap:0 GSM/8000"))).codecs == (PCMA,)
    assert parse(sdp(*audio("0 9", "rtpmap:9 G722/16000", "rtpmap:0 PCMU/8000/1"))).codecs == (PCMU,)


def test_direction_and_address_of_the_session_hold_unless_the_media_have_their_own():
    session = f"c=IN IP4 {THERE}\r\na=inactive"
    assert parse(sdp(*audio(), session=session)).direction == "inactive"
    remote = parse(sdp(*audio("0", "sendrecv"), "c=IN IP4 203.0.113.9", session=session))
    assert (remote.direction, remote.address) == ("sendrecv", "203.0.113.9")


def test_the_first_audio_that_is_on_and_of_a_profile_we_know_is_taken():
    media = [*audio("0", port=0), *audio("0", profile="UDP/TLS/RTP/SAVPF"), *audio("8", port=4004)]
    remote = parse(sdp(*media))
    assert (remote.audio, remote.port, remote.codecs) == (2, 4004, (PCMA,))


# A stranger's


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        sdp(),
        sdp("m=video 4000 RTP/AVP 31"),
        sdp(*audio(port=0)),
        sdp(*audio(port=70000)),
        sdp("m=audio 4000"),
        sdp("m=audio -1 RTP/AVP 0"),
        sdp("m=audio 4000 RTP/AVP 0\x07"),
        sdp(*audio(profile="TCP/RTP/AVP")),
        sdp(*audio(), session=""),
        sdp(*audio(), session="c=IN IP4 pbx.example.com"),
        sdp(*audio(), session="c=IN IP4 010.0.0.1"),
        sdp(*audio(), session="c=IN IP4 224.1.1.1"),
        sdp(*audio(), session="c=IN IP4 255.255.255.255"),
        sdp(*audio(), session="c=IN IP6 ::1"),
        sdp(*audio(), "c=IN IP6 ::1"),
        sdp(*audio(), *["a=x"] * 300),
        sdp(*audio("0", "x" * 20_000)),
    ],
)
def test_what_cannot_be_used_is_refused(body):
    with pytest.raises(SdpError):
        parse(body)


LINES = st.sampled_from(
    [
        "v=0", "c=IN IP4 1.2.3.4", "c=IN IP4 0.0.0.0", "c=", "m=audio 4000 RTP/AVP 0 9 101", "m=audio 5 RTP/SAVP 8",
        "m=video 1 RTP/AVP 31", "m=", "m=audio", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:0 x/1", "a=rtpmap:",
        "a=rtpmap:999 telephone-event/8000", "a=sendonly", "a=ptime:0", "a=ptime:x", "a=crypto:1 " + SUITES[0],
        "a=crypto:1 " + SUITES[0] + " inline:" + "A" * 40, "a", "=", "",
    ]
)  # fmt: skip


@given(
    st.binary(max_size=300)
    | st.lists(LINES | st.text(max_size=20), max_size=20).map(lambda lines: "\r\n".join(lines).encode())
)
@example(b"m=audio 4000 RTP/AVP \xb2\xb9")
@example(b"c=IN IP4 1.2.3.4\nm=audio 4000 RTP/AVP \xb2 0 0 0")
def test_whatever_the_bytes_they_are_refused_or_can_be_answered(body):
    try:
        remote = parse(body)
        agreement = agree(remote, encryption="allow")
    except SdpError:
        return
    back = parse(answer(remote, agreement, HERE, 5000, 1, 1))
    assert back.codecs == (agreement.codec,)
    assert [line.kind for line in back.media] == [line.kind for line in remote.media]


# Agreement


def test_the_far_ends_order_of_codecs_wins():
    assert agree(parse(sdp(*audio("8 0 9")))).codec == PCMA
    assert agree(parse(sdp(*audio("8 0 9"))), codecs=(G722, PCMU)).codec == PCMU


def test_without_a_common_codec_there_is_no_call():
    with pytest.raises(SdpError, match="no common codec"):
        agree(parse(sdp(*audio("18 101"))))
    with pytest.raises(SdpError, match="no common codec"):
        agree(parse(sdp(*audio("0"))), codecs=(G722,))


def test_digits_go_under_the_number_of_the_far_end_if_it_takes_any():
    assert agree(parse(sdp(*audio("0 96", "rtpmap:96 telephone-event/8000")))).telephone_event == 96
    assert agree(parse(sdp(*audio("0")))).telephone_event is None
    assert agree(parse(sdp(*audio("0 96", "rtpmap:96 telephone-event/16000")))).telephone_event is None


@pytest.mark.parametrize(
    ("theirs", "send", "receive", "back"),
    [
        ("sendrecv", True, True, "sendrecv"),
        ("sendonly", False, True, "recvonly"),
        ("recvonly", True, False, "sendonly"),
        ("inactive", False, False, "inactive"),
    ],
)
def test_the_answer_mirrors_the_direction(theirs, send, receive, back):
    remote = parse(sdp(*audio("0", theirs)))
    agreement = agree(remote)
    assert (agreement.send, agreement.receive) == (send, receive)
    assert parse(answer(remote, agreement, HERE, 5000, 1, 2)).direction == back


def test_an_address_of_zeros_is_a_hold():
    agreement = agree(parse(sdp(*audio(), session="c=IN IP4 0.0.0.0")))
    assert (agreement.send, agreement.receive) == (False, True)


def test_an_answer_names_one_codec_and_declines_all_other_media():
    remote = parse(sdp("m=video 4002 RTP/AVP 31 34", *audio("8 0 101"), "m=audio 4004 RTP/AVP 0"))
    written = answer(remote, agree(remote), HERE, 5000, 7, 3)
    assert written.startswith(b"v=0\r\no=- 7 3 IN IP4 192.0.2.10\r\n")
    assert [line for line in written.split(b"\r\n") if line.startswith(b"m=")] == [
        b"m=video 0 RTP/AVP 31 34",
        b"m=audio 5000 RTP/AVP 8 101",
        b"m=audio 0 RTP/AVP 0",
    ]


# Encryption


@pytest.mark.parametrize("suite", SUITES)
def test_both_sides_come_to_the_same_keys(suite):
    keys = [key for key in make_keys() if key.suite == suite]
    offered = parse(ours(crypto=keys))
    assert offered.profile == "RTP/SAVP"
    theirs = agree(offered, encryption="allow")
    answered = parse(answer(offered, theirs, THERE, 4000, 9, 1))
    mine = agree(answered, encryption="require", our_offer=keys)
    assert mine.srtp
    assert (mine.srtp.send, mine.srtp.receive) == (theirs.srtp.receive, theirs.srtp.send)
    assert mine.srtp.send.key != mine.srtp.receive.key


def test_the_first_suite_of_theirs_that_we_have_is_taken_under_its_tag():
    keys = make_key(SUITES[1], tag=5), make_key(SUITES[0], tag=6)
    agreement = agree(parse(ours(crypto=keys)), encryption="require")
    assert (agreement.srtp.send.tag, agreement.srtp.send.suite) == (5, SUITES[1])


def test_an_offer_repeated_leaves_our_key_as_it_was():
    offered = parse(ours(crypto=make_keys()))
    first = agree(offered, encryption="require")
    assert agree(offered, encryption="require", previous=first).srtp == first.srtp


def test_keys_under_the_plain_profile_are_used_where_encryption_is_allowed():
    key = make_key(SUITES[0])
    remote = parse(sdp(*audio("0", f"crypto:{key.attribute}")))
    assert agree(remote, encryption="disable").srtp is None
    agreement = agree(remote, encryption="allow")
    assert agreement.srtp.receive == key
    assert parse(answer(remote, agreement, HERE, 5000, 1, 1)).profile == "RTP/AVP"


def test_a_plain_answer_to_our_keys_will_do_where_encryption_is_only_allowed():
    keys = make_keys()
    answered = parse(sdp(*audio("0")))
    assert agree(answered, encryption="allow", our_offer=keys).srtp is None
    with pytest.raises(SdpError, match="no common encryption"):
        agree(answered, encryption="require", our_offer=keys)


def test_an_encrypted_call_is_refused_where_encryption_is_off_or_no_key_fits():
    with pytest.raises(SdpError, match="no common encryption"):
        agree(parse(ours(crypto=make_keys())), encryption="disable")
    with pytest.raises(SdpError, match="no common encryption"):
        agree(parse(sdp(*audio(profile="RTP/SAVP"))), encryption="allow")
    with pytest.raises(SdpError, match="no common encryption"):
        agree(parse(sdp(*audio())), encryption="require")


def test_an_answer_that_takes_a_key_we_did_not_offer_is_refused():
    keys = make_keys()
    answered = parse(ours(crypto=[replace(keys[0], tag=9)]))
    with pytest.raises(SdpError, match="no common encryption"):
        agree(answered, encryption="allow", our_offer=keys)


def test_a_whole_negotiation_ends_in_the_same_codec():
    answered = reply(parse(ours()))
    assert agree(answered, our_offer=()).codec == G722
    assert (answered.address, answered.port, answered.telephone_events) == (THERE, 4000, {8000: 101})
