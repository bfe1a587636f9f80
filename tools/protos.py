"""Generates the Python code of our `.proto` files, beside them. `--into FOLDER` writes it there instead.

LiveKit's own files are not compiled again: they are taken from the installed `livekit.protocol` package, and the
generated code imports that package. A file is registered under its path in this tree, which clashes with nobody's.
"""

import argparse
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from livekit.protocol import egress, room, sip

TREE = Path(__file__).resolve().parent.parent
SOURCES = (
    "pocket/psrpc/envelope.proto",
    "pocket/bridge/protobufs/rpc_sip.proto",
    "pocket/recorder/protobufs/rpc_egress.proto",
)
LIVEKIT = (egress, room, sip)
FOREIGN_IMPORT = re.compile(r"^import livekit_(\w+)_pb2 as (\w+)$", re.MULTILINE)


def generate(into: Path) -> None:
    """Write `_pb2.py` and `_pb2.pyi` of every source below a folder, at the source's place in the tree."""
    known: dict[str, FileDescriptor] = {}
    for module in LIVEKIT:
        gather(module.DESCRIPTOR, known)
    described = FileDescriptorSet()
    for file in known.values():
        file.CopyToProto(described.file.add())
    with tempfile.NamedTemporaryFile(suffix=".binpb") as descriptors:
        descriptors.write(described.SerializeToString())
        descriptors.flush()
        arguments = [f"--descriptor_set_in={descriptors.name}", f"-I{TREE}", f"-I{files('grpc_tools') / '_proto'}"]
        arguments += [f"--python_out={into}", f"--pyi_out={into}", *(str(TREE / source) for source in SOURCES)]
        if protoc.main(["protoc", *arguments]) != 0:
            sys.exit("protoc failed")
    for source in SOURCES:
        for ending in ("_pb2.py", "_pb2.pyi"):
            written = into / source.replace(".proto", ending)
            written.write_text(FOREIGN_IMPORT.sub(r"from livekit.protocol import \1 as \2", written.read_text()))


def gather(file: FileDescriptor, known: dict[str, FileDescriptor]) -> None:
    """Add a file after all that it imports."""
    if file.name not in known:
        for imported in file.dependencies:
            gather(imported, known)
        known[file.name] = file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=TREE, help="folder to write below")
    generate(parser.parse_args().into)
