"""Builds `minilm_graph.onnx`: the computation of all-MiniLM-L6-v2 without its weights.

Every weight is declared as external data under its name in the safetensors file; `minilm.py` supplies them when it
loads the graph. Run `python -m knowledge.minilm_graph` after changing this file. Needs `onnx`, a development
dependency.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from knowledge.minilm import DIMENSIONS, GRAPH, model_folder, read_weights

OPSET = 20  # the first with Gelu
IR_VERSION = 10
LAYERS = 6
HEADS = 12
EPSILON = 1e-12
MASKED = -1e9


class GraphBuilder:
    """Collects nodes and initialisers; every method returns the name of what it added."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def node(self, kind: str, *inputs: str, **attributes: int | float | list[int]) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        node = helper.make_node(kind, list(inputs), [output])
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)
        return output

    def weight(self, name: str) -> str:
        if name not in self.initializers:
            tensor = TensorProto(
                name=name,
                data_type=TensorProto.FLOAT,
                dims=self.shapes[name],
                data_location=TensorProto.EXTERNAL,
            )
            tensor.external_data.add(key="location", value="weights")
            self.initializers[name] = tensor
        return name

    def constant(self, name: str, value: npt.NDArray[np.generic]) -> str:
        self.initializers[name] = numpy_helper.from_array(value, name)
        return name

    def integers(self, name: str, *values: int) -> str:
        return self.constant(name, np.array(values, np.int64))

    def scalar(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, np.float32))

    def linear(self, source: str, name: str) -> str:
        transposed = self.node("Transpose", self.weight(f"{name}.weight"), perm=[1, 0])
        return self.node("Add", self.node("MatMul", source, transposed), self.weight(f"{name}.bias"))

    def layer_norm(self, source: str, name: str) -> str:
        return self.node(
            "LayerNormalization",
            source,
            self.weight(f"{name}.weight"),
            self.weight(f"{name}.bias"),
            axis=-1,
            epsilon=EPSILON,
        )


def build_graph(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """The serialised model; the same bytes for the same shapes and version of onnx."""
    build = GraphBuilder(shapes)
    mask = build.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    hidden = _embeddings(build)
    bias = _mask_bias(build, mask)
    split = build.integers("split_heads", 0, 0, HEADS, DIMENSIONS // HEADS)
    merge = build.integers("merge_heads", 0, 0, DIMENSIONS)
    scale = build.scalar("scale", math.sqrt(DIMENSIONS // HEADS))
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        query, key, value = (
            build.node("Reshape", build.linear(hidden, f"{prefix}attention.self.{part}"), split)
            for part in ("query", "key", "value")
        )
        scores = build.node(
            "MatMul",
            build.node("Transpose", query, perm=[0, 2, 1, 3]),
            build.node("Transpose", key, perm=[0, 2, 3, 1]),
        )
        attention = build.node("Softmax", build.node("Add", build.node("Div", scores, scale), bias), axis=-1)
        context = build.node("MatMul", attention, build.node("Transpose", value, perm=[0, 2, 1, 3]))
        context = build.node("Reshape", build.node("Transpose", context, perm=[0, 2, 1, 3]), merge)
        projected = build.linear(context, f"{prefix}attention.output.dense")
        hidden = build.layer_norm(build.node("Add", projected, hidden), f"{prefix}attention.output.LayerNorm")
        wide = build.node("Gelu", build.linear(hidden, f"{prefix}intermediate.dense"))
        narrow = build.linear(wide, f"{prefix}output.dense")
        hidden = build.layer_norm(build.node("Add", narrow, hidden), f"{prefix}output.LayerNorm")
    mean = _mean_of_tokens(build, hidden, mask)
    build.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))
    return _model(build).SerializeToString(deterministic=True)


def _embeddings(build: GraphBuilder) -> str:
    words = build.node("Gather", build.weight("embeddings.word_embeddings.weight"), "input_ids", axis=0)
    first = build.constant("first", np.array(0, np.int64))
    kind = build.node("Gather", build.weight("embeddings.token_type_embeddings.weight"), first, axis=0)
    length = build.node("Shape", "input_ids", start=1, end=2)
    positions = build.node(
        "Slice",
        build.weight("embeddings.position_embeddings.weight"),
        build.integers("slice_start", 0),
        length,
        build.integers("slice_axis", 0),
    )
    total = build.node("Add", build.node("Add", words, kind), positions)
    return build.layer_norm(total, "embeddings.LayerNorm")


def _mask_bias(build: GraphBuilder, mask: str) -> str:
    inverted = build.node("Sub", build.scalar("one", 1.0), mask)
    bias = build.node("Mul", inverted, build.scalar("masked", MASKED))
    return build.node("Unsqueeze", bias, build.integers("mask_axes", 1, 2))


def _mean_of_tokens(build: GraphBuilder, hidden: str, mask: str) -> str:
    column = build.node("Unsqueeze", mask, build.integers("last_axis", -1))
    token_axis = build.integers("token_axis", 1)
    total = build.node("ReduceSum", build.node("Mul", hidden, column), token_axis, keepdims=0)
    return build.node("Div", total, build.node("ReduceSum", column, token_axis, keepdims=0))


def _model(build: GraphBuilder) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSIONS])
    graph = helper.make_graph(build.nodes, "minilm", inputs, [output], list(build.initializers.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="parley")
    model.ir_version = IR_VERSION
    return model


def weight_shapes() -> dict[str, tuple[int, ...]]:
    return {name: values.shape for name, values in read_weights(model_folder() / "model.safetensors").items()}


if __name__ == "__main__":
    GRAPH.write_bytes(build_graph(weight_shapes()))
