"""Durations of LiveKit's messages."""

from google.protobuf.duration_pb2 import Duration


def seconds(duration: Duration) -> float:
    """A duration in seconds; 0 where none was given or it is negative."""
    return max(0.0, duration.seconds + duration.nanos / 1e9)
