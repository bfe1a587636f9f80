"""A server of embeddings as OpenAI's clients know it; its vectors count words, and it can be held, or be away."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

DIMENSIONS = 96


class EmbeddingServer(ThreadingHTTPServer):
    """While `go` is not set, nobody is answered but single texts: questions. While it is `away`, nobody is.

    Vectors come in any order. The model `short` forgets one, the model `missing` is not there.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.go = Event()
        self.go.set()
        self.held = Event()
        self.away = False
        self.refused = 0
        self.dimensions = DIMENSIONS
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: EmbeddingServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(body["input"]) > 1 and not self.server.go.is_set():
            self.server.held.set()
            self.server.go.wait(20)
        refused = self.server.away or body["model"] == "missing"
        self.server.refused += refused
        texts = body["input"][1:] if body["model"] == "short" else body["input"]
        vectors = [_vector(text, self.server.dimensions) for text in texts]
        data = [{"object": "embedding", "index": row, "embedding": vector} for row, vector in enumerate(vectors)]
        answer = json.dumps({"object": "list", "model": body["model"], "data": data[::-1], "usage": {}}).encode()
        self.send_response(404 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments: object) -> None:
        pass


def _vector(text: str, dimensions: int) -> list[float]:
    vector = [0.01] * dimensions
    for word in re.findall(r"\w{4,}", text.lower()):
        vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimensions] += 1.0
    return vector


@contextmanager
def embedding_server() -> Iterator[EmbeddingServer]:
    """One that answers until the block is left."""
    with EmbeddingServer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.go.set()
            server.shutdown()
            thread.join()
