"""The livestreams of one recording: who is sent what, and when they are at an end."""

from pathlib import Path

import pytest
from livekit.protocol import egress

from pocket.psrpc import RpcError
from pocket.recorder.broadcast import Broadcast
from pocket.recorder.flv import HEADER
from pocket.recorder.journal import Entry
from pocket.recorder.protobufs import rpc_egress_pb2 as rpc

pytestmark = pytest.mark.anyio

URL = "rtmp://127.0.0.1/live/some-long-key"
ACTIVE, FINISHED, FAILED = egress.StreamInfo.ACTIVE, egress.StreamInfo.FINISHED, egress.StreamInfo.FAILED


class House:
    """What a broadcast says to its recording."""

    def __init__(self) -> None:
        self.changes, self.gone = 0, list[str]()

    def change(self) -> None:
        """There is something to tell."""
        self.changes += 1


def made(*statuses: egress.StreamInfo.Status) -> tuple[Broadcast, Entry, House]:
    """A broadcast whose streams are in some states."""
    info, house = egress.EgressInfo(egress_id="EG_a"), House()
    for status in statuses:
        info.stream_results.add(url="{...}", status=status)
    urls = [f"{URL}{number}" for number in range(len(statuses))]
    entry = Entry(Path(), rpc.StartEgressRequest(), info, streams=urls)
    return Broadcast(entry, house.change, house.gone.append), entry, house


async def test_a_recorder_that_finds_all_streams_over_says_that_none_is_left() -> None:
    broadcast, _, house = made(FINISHED, FAILED)
    broadcast.begin()
    assert house.gone == [""]
    await broadcast.close()


async def test_what_is_wrong_changes_nothing_and_what_is_right_is_there_at_the_beginning() -> None:
    broadcast, entry, house = made(ACTIVE)
    for wrong in (
        egress.UpdateStreamRequest(add_output_urls=[f"{URL}1", "nonsense"]),
        egress.UpdateStreamRequest(add_output_urls=[f"{URL}0"]),
        egress.UpdateStreamRequest(add_output_urls=[f"{URL}1"], remove_output_urls=[f"{URL}2"]),
    ):
        with pytest.raises(RpcError):
            broadcast.update(wrong)
    assert entry.streams == [f"{URL}0"]
    broadcast.update(egress.UpdateStreamRequest(add_output_urls=[f"{URL}1"], remove_output_urls=[f"{URL}0"]))
    assert entry.streams == [f"{URL}0", f"{URL}1"]
    assert [each.status for each in entry.info.stream_results] == [FINISHED, ACTIVE]
    assert URL not in str(entry.info)
    await broadcast.close()
    assert house.gone == []


async def test_tags_are_cut_wherever_the_muxer_pauses() -> None:
    broadcast, _, _ = made()
    sound = b"\x08\x00\x00\x02" + bytes(7) + b"\xaf\x01" + bytes(4)
    data = HEADER + 3 * sound
    sizes = [broadcast.sink.write(data[at : at + 5]) for at in range(0, len(data), 5)]
    assert sum(sizes) == len(data)
    await broadcast.close()
