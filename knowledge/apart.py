"""The process that reads one document, with limits on time and memory; what it is told and says is in `reading.py`."""

import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import Any, Final

from knowledge.binaries import BINARIES
from knowledge.documents import DocumentError
from knowledge.reading import cut

CPU_SECONDS: Final = 30
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space; what is really used by 10 MB of text is some 100 MB."""

NICENESS: Final = 10
"""Requests go before documents."""


def main() -> None:
    """Read one document from standard input."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)
    head = json.loads(sys.stdin.buffer.readline())
    for line in _lines(head, sys.stdin.buffer.read()):
        sys.stdout.write(line + "\n")


def _lines(head: dict[str, Any], data: bytes) -> Iterator[str]:
    try:
        chunks = cut(data, head["name"], size=head["size"], overlap=head["overlap"], binaries=BINARIES)
        for chunk in () if head["only_count"] else chunks:
            yield json.dumps([chunk.text, chunk.heading_path, chunk.start, chunk.page, chunk.row])
        yield str(len(chunks))
    except DocumentError as error:
        yield json.dumps({"code": error.code, "message": str(error)})


if __name__ == "__main__":
    main()
