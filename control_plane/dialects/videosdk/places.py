"""Where files and streams of a room can be had, by whoever has the address, for a week."""

from datetime import timedelta
from typing import Any, Final

from control_plane.clock import Clock
from control_plane.dialects.videosdk.models import VideoTranscription
from control_plane.recordings.links import LONGEST, LinkSigner
from control_plane.recordings.models import Recording
from control_plane.wire import SURFACE

PLAYED: Final = "/streams"
LIST: Final = "index.m3u8"
FORMATS: Final = ("json", "txt", "srt", "vtt", "tsv")


class Places:
    """Writes addresses, each signed for one recording and its project."""

    def __init__(self, public_url: str, links: LinkSigner, clock: Clock) -> None:
        self._url, self._links, self._clock = public_url, links, clock

    def of_file(self, recording: Recording) -> dict[str, Any]:
        """The file of a recording; nothing where there is none."""
        if not recording.size_bytes or not recording.storage_key:
            return {}
        address = f"{self._url}{SURFACE}/recordings/{recording.id}/file?signature={self._sign(recording)}"
        return {"filePath": f"/{recording.storage_key}", "fileUrl": address}

    def of_stream(self, recording: Recording) -> dict[str, Any]:
        """The list of pieces of a stream."""
        address = f"{self._url}{PLAYED}/{self._sign(recording)}/{recording.id}/{LIST}"
        return {"downstreamUrl": address, "playbackHlsUrl": address, "livestreamUrl": address}

    def of_transcription(self, done: VideoTranscription) -> dict[str, Any]:
        """What was said in each format, and its summary."""
        signature = self._links.sign(done.project_id, done.recording_id, expires_at=self._until())
        base = f"{self._url}{PLAYED}/{signature}/{done.recording_id}"
        shown: dict[str, Any] = {
            "status": done.status,
            "transcriptionFilePaths": {ending: f"{base}/transcription.{ending}" for ending in FORMATS},
        }
        if done.summary is not None:
            shown |= {"summarizedFilePaths": {"txt": f"{base}/summary.txt"}}
        return shown

    def _sign(self, recording: Recording) -> str:
        return self._links.sign(recording.project_id, recording.id, expires_at=self._until())

    def _until(self) -> Any:
        return self._clock.now() + timedelta(seconds=LONGEST)
