"""FLV cut into its tags, so that whoever comes late can begin in the middle."""

from collections.abc import Callable
from dataclasses import dataclass
from io import RawIOBase
from typing import Final

HEADER: Final = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
"""What is before the first tag. Each tag is followed by its size, in 4 bytes."""
_TAG: Final = 11
_SOUND, _PICTURE, _SCRIPT = 8, 9, 18


@dataclass(frozen=True, slots=True)
class Tag:
    """One packet, as it stands in the file."""

    data: bytes

    @property
    def moment(self) -> int:
        """Milliseconds since the beginning."""
        return int.from_bytes(self.data[7:8] + self.data[4:7])

    @property
    def opens(self) -> bool:
        """Whether it says how the others are to be read."""
        kind = self.data[0]
        return kind == _SCRIPT or (kind in (_SOUND, _PICTURE) and self.data[_TAG + 1] == 0)

    @property
    def is_picture(self) -> bool:
        """Whether it holds a picture."""
        return self.data[0] == _PICTURE

    @property
    def is_whole(self) -> bool:
        """Whether it is read without those before it: sound, or a key frame."""
        return self.data[0] == _SOUND or (self.is_picture and self.data[_TAG] >> 4 == 1)

    def since(self, begin: int) -> bytes:
        """Its bytes in a file that begins at some moment."""
        moment = max(0, self.moment - begin).to_bytes(4)
        return self.data[:4] + moment[1:] + moment[:1] + self.data[8:]


class Cutter(RawIOBase):
    """What a muxer writes into. `take` is called with each tag, by the thread that writes."""

    def __init__(self, take: Callable[[Tag], None]) -> None:
        super().__init__()
        self._take, self._held, self._begun = take, bytearray(), False

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        """Called by the muxer, with any number of bytes."""
        self._held += data
        while (size := self._next()) and len(self._held) >= size:
            piece = bytes(self._held[:size])
            del self._held[:size]
            if self._begun:
                self._take(Tag(piece))
            self._begun = True
        return len(data)

    def _next(self) -> int:
        """Bytes of what comes next; 0 while that is not known."""
        if not self._begun:
            return len(HEADER)
        return _TAG + int.from_bytes(self._held[1:4]) + 4 if len(self._held) >= _TAG else 0
