"""LiveKit replaces the whole of a permission: what a caller does not name, or may not name, has to survive."""

import pytest
from livekit import api

from control_plane.media.server import ParticipantChange, merge_permission, participant_of

NOW = api.ParticipantPermission(
    can_publish=True,
    can_subscribe=True,
    can_publish_data=False,
    can_publish_sources=[api.TrackSource.MICROPHONE],
    hidden=True,
    recorder=True,
    agent=True,
    can_update_metadata=True,
    can_subscribe_metrics=True,
    can_manage_agent_session=True,
)


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        (ParticipantChange(name="n"), {}),
        (ParticipantChange(can_publish=False), {"can_publish": False}),
        (ParticipantChange(can_publish_data=True, can_subscribe=True), {"can_publish_data": True}),
        (
            ParticipantChange(can_publish_sources=("camera", "screen_share")),
            {"can_publish_sources": [api.TrackSource.CAMERA, api.TrackSource.SCREEN_SHARE]},
        ),
    ],
)
def test_only_what_is_named_changes(change: ParticipantChange, differences: dict[str, object]) -> None:
    before = NOW.SerializeToString()
    merged = merge_permission(NOW, change)
    changed = {field.name for field in NOW.DESCRIPTOR.fields if getattr(merged, field.name) != getattr(NOW, field.name)}
    assert changed == set(differences)
    for name, value in differences.items():
        assert getattr(merged, name) == value
    assert NOW.SerializeToString() == before


def test_a_participant_is_shown_with_its_permission_in_our_words() -> None:
    shown = participant_of(api.ParticipantInfo(identity="ada", metadata="m", permission=NOW))
    assert (shown.metadata, shown.hidden) == ("m", True)
    assert shown.permission.can_publish_sources == ("microphone",)
    assert shown.permission.can_publish_data is False
