"""Makes tiny-decoder.onnx (the decoder I/O contract of src/infer/runner.ts) and tiny-decoder.json (transformers' answers).

usage: python make-tiny-decoder.py OUT_DIR
"""

import json
import sys

import numpy as np
import onnx
import torch
import transformers
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, INNER, VOCAB, CONTEXT = 2, 32, 2, 1, 16, 48, 96, 128
MS = "com.microsoft"

config = transformers.LlamaConfig(
    vocab_size=VOCAB,
    hidden_size=HIDDEN,
    intermediate_size=INNER,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    num_key_value_heads=KV_HEADS,
    head_dim=HEAD_DIM,
    max_position_embeddings=CONTEXT,
    tie_word_embeddings=True,
    rms_norm_eps=1e-5,
    initializer_range=0.3,
)
torch.manual_seed(7)
model = transformers.LlamaForCausalLM(config).eval()
weights = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}

nodes, initializers = [], []


def constant(name, array):
    initializers.append(nh.from_array(np.ascontiguousarray(array), name))
    return name


def node(op, inputs, outputs, domain="", **attrs):
    nodes.append(h.make_node(op, inputs, outputs, domain=domain, **attrs))
    return outputs[0]


def linear(x, name, modules):
    weight = np.concatenate([weights[f"{module}.weight"] for module in modules], 0)
    return node("MatMul", [x, constant(f"{name}.weight", weight.T)], [name])


def value(name, dtype, dims):
    return h.make_tensor_value_info(name, dtype, dims)


angles = np.arange(CONTEXT)[:, None] * 10000.0 ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)[None]
cos = constant("cos", np.cos(angles).astype(np.float32))
sin = constant("sin", np.sin(angles).astype(np.float32))
inputs = [
    value("input_ids", T.INT64, ["batch", "sequence"]),
    value("seqlens_k", T.INT32, ["batch"]),
    value("total_sequence_length", T.INT32, []),
    value("logit_positions", T.INT64, ["rows"]),
]
outputs = [value("logits", T.FLOAT, ["batch", "rows", VOCAB])]

embedding = constant("embedding", weights["model.embed_tokens.weight"])
x = node("Gather", [embedding, "input_ids"], ["x"])
first = constant("norm.0", weights["model.layers.0.input_layernorm.weight"])
y = node("SimplifiedLayerNormalization", [x, first], ["y"], axis=-1, epsilon=1e-5, stash_type=1)
for layer in range(LAYERS):
    p = f"model.layers.{layer}."
    qkv = linear(y, f"qkv.{layer}", [f"{p}self_attn.{role}_proj" for role in "qkv"])
    past = [f"past_key_values.{layer}.{side}" for side in ("key", "value")]
    present = [f"present.{layer}.{side}" for side in ("key", "value")]
    inputs += [value(name, T.FLOAT, ["batch", KV_HEADS, "capacity", HEAD_DIM]) for name in past]
    outputs += [value(name, T.FLOAT, ["batch", KV_HEADS, "capacity", HEAD_DIM]) for name in present]
    attention = node(
        "GroupQueryAttention",
        [qkv, "", "", *past, "seqlens_k", "total_sequence_length", cos, sin],
        [f"attention.{layer}", *present],
        MS,
        num_heads=HEADS,
        kv_num_heads=KV_HEADS,
        do_rotary=1,
    )
    o = linear(attention, f"o.{layer}", [f"{p}self_attn.o_proj"])
    norm = constant(f"mlp_norm.{layer}", weights[f"{p}post_attention_layernorm.weight"])
    skip = [f"mlp_in.{layer}", "", "", f"residual_a.{layer}"]
    node("SkipSimplifiedLayerNormalization", [x, o, norm], skip, MS, epsilon=1e-5)
    gate = linear(skip[0], f"gate.{layer}", [f"{p}mlp.gate_proj"])
    up = linear(skip[0], f"up.{layer}", [f"{p}mlp.up_proj"])
    sigmoid = node("Sigmoid", [gate], [f"sigmoid.{layer}"])
    silu = node("Mul", [gate, sigmoid], [f"silu.{layer}"])
    inner = node("Mul", [silu, up], [f"inner.{layer}"])
    down = linear(inner, f"down.{layer}", [f"{p}mlp.down_proj"])
    last = layer == LAYERS - 1
    next_norm = "model.norm.weight" if last else f"model.layers.{layer + 1}.input_layernorm.weight"
    skip = [f"next_in.{layer}", "", "", f"residual_b.{layer}"]
    norm = constant(f"next_norm.{layer}", weights[next_norm])
    node("SkipSimplifiedLayerNormalization", [f"residual_a.{layer}", down, norm], skip, MS, epsilon=1e-5)
    y, x = skip[0], skip[3]
rows = node("Gather", [y, "logit_positions"], ["rows_in"], axis=1)
node("MatMul", [rows, constant("head", weights["model.embed_tokens.weight"].T)], ["logits"])

graph = h.make_graph(nodes, "tiny", inputs, outputs, initializers)
opsets = [h.make_opsetid("", 18), h.make_opsetid(MS, 1)]
onnx.save(h.make_model(graph, opset_imports=opsets, ir_version=9), f"{sys.argv[1]}/tiny-decoder.onnx")

ids = np.random.default_rng(3).integers(0, VOCAB, 40)
with torch.no_grad():
    logits = model(torch.tensor(ids)[None]).logits[0].numpy()
    greedy = model.generate(torch.tensor(ids[:10])[None], max_new_tokens=24, do_sample=False, eos_token_id=None)
log_probs = torch.log_softmax(torch.tensor(logits, dtype=torch.float64), -1).numpy()
json.dump(
    {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, onnx, np)},
        "context": CONTEXT,
        "ids": ids.tolist(),
        "logits": [[float(f"{v:.7g}") for v in row] for row in logits],
        "targetLogProbs": [float(log_probs[i, ids[i + 1]]) for i in range(len(ids) - 1)],
        "greedy": greedy[0, 10:].tolist(),
    },
    open(f"{sys.argv[1]}/tiny-decoder.json", "w"),
)
