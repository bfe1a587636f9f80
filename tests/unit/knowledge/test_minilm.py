from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from knowledge import minilm
from knowledge.minilm import DIMENSIONS, MiniLM, ModelUnavailable, read_weights
from knowledge.minilm_graph import build_graph, weight_shapes

PAIRS = [
    ("When do you open?", "Our business hours are nine to five."),
    ("Can I get my money back?", "Purchases are refunded within thirty days."),
    ("Where is the office?", "The company sits on Harbour Street in Bremen."),
    ("Do you ship abroad?", "Orders are delivered to other countries for a fee."),
    ("Is my dog welcome?", "Pets may come along on a leash."),
]


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def test_each_question_is_nearest_to_the_sentence_that_answers_it(model):
    questions, answers = (model.encode(side) for side in zip(*PAIRS, strict=True))
    assert (questions @ answers.T).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_vectors_are_those_of_the_published_model(model):
    vector = model.encode(["This is an example sentence"])[0]
    # As its model card's own example prints them.
    assert vector[:3] == pytest.approx([0.0676569, 0.0634959, 0.0487131], abs=1e-5)


def test_rows_are_in_order_and_of_unit_length_whatever_the_texts_are(model):
    texts = ["", "日本語", "word " * 2_000, *(f"text number {number} " * (number % 7 + 1) for number in range(70))]
    together = model.encode(texts)
    assert together.shape == (len(texts), DIMENSIONS)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    for row in (0, 1, 2, 40):
        assert together[row] == pytest.approx(model.encode([texts[row]])[0], abs=1e-5)


def test_no_texts_give_no_rows(model):
    assert model.encode([]).shape == (0, DIMENSIONS)


def test_threads_may_share_it(model):
    texts = [question for question, _ in PAIRS] * 8
    alone = model.encode(texts)
    with ThreadPoolExecutor(4) as threads:
        shared = list(threads.map(lambda text: model.encode([text])[0], texts))
    assert np.array(shared) == pytest.approx(alone, abs=1e-5)


def test_other_weights_are_refused(tmp_path):
    altered = tmp_path / "model.safetensors"
    altered.write_bytes(b"other weights")
    with pytest.raises(ModelUnavailable, match="not the expected ones"):
        read_weights(altered)


def test_a_missing_model_says_what_to_install(monkeypatch):
    monkeypatch.setattr(minilm, "PACKAGE", "no_such_package")
    with pytest.raises(ModelUnavailable, match=r"requirements\.lock"):
        MiniLM()


def test_the_graph_in_the_repository_is_the_one_its_source_builds():
    assert minilm.GRAPH.read_bytes() == build_graph(weight_shapes()), "run: python -m knowledge.minilm_graph"
