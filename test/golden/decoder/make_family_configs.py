"""Writes what transformers reads in the config.json of well-known checkpoints of each family, in the spelling they are published in.

    CUDA_VISIBLE_DEVICES= python test/golden/decoder/make_family_configs.py

The configs are written out here; nothing is downloaded.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from transformers import AutoConfig
from transformers.models.gpt_neox.modeling_gpt_neox import GPTNeoXRotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.qwen3.modeling_qwen3 import Qwen3RotaryEmbedding

HERE = Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__}

CONFIGS = {
    "Llama 2 7B": dict(
        architectures=["LlamaForCausalLM"], bos_token_id=1, eos_token_id=2, hidden_act="silu", hidden_size=4096,
        initializer_range=0.02, intermediate_size=11008, max_position_embeddings=4096, model_type="llama",
        num_attention_heads=32, num_hidden_layers=32, num_key_value_heads=32, pretraining_tp=1, rms_norm_eps=1e-05,
        rope_scaling=None, tie_word_embeddings=False, torch_dtype="float16", transformers_version="4.31.0.dev0",
        use_cache=True, vocab_size=32000,
    ),
    "Llama 3.2 1B": dict(
        architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=128000,
        eos_token_id=[128001, 128008, 128009], head_dim=64, hidden_act="silu", hidden_size=2048, initializer_range=0.02,
        intermediate_size=8192, max_position_embeddings=131072, mlp_bias=False, model_type="llama",
        num_attention_heads=32, num_hidden_layers=16, num_key_value_heads=8, pretraining_tp=1, rms_norm_eps=1e-05,
        rope_scaling=dict(
            factor=32.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=8192,
            rope_type="llama3",
        ),
        rope_theta=500000.0, tie_word_embeddings=True, torch_dtype="bfloat16", transformers_version="4.45.0.dev0",
        use_cache=True, vocab_size=128256,
    ),
    "SmolLM2 135M": dict(
        architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=0, eos_token_id=0,
        hidden_act="silu", hidden_size=576, initializer_range=0.041666666666666664, intermediate_size=1536,
        is_llama_config=True, max_position_embeddings=8192, model_type="llama", num_attention_heads=9,
        num_hidden_layers=30, num_key_value_heads=3, pretraining_tp=1, rms_norm_eps=1e-05, rope_interleaved=False,
        rope_scaling=None, rope_theta=100000, tie_word_embeddings=True, torch_dtype="bfloat16",
        transformers_version="4.40.1", use_cache=True, vocab_size=49152,
    ),
    "TinyLlama 1.1B": dict(
        architectures=["LlamaForCausalLM"], attention_bias=False, bos_token_id=1, eos_token_id=2, hidden_act="silu",
        hidden_size=2048, initializer_range=0.02, intermediate_size=5632, max_position_embeddings=2048,
        model_type="llama", num_attention_heads=32, num_hidden_layers=22, num_key_value_heads=4, pretraining_tp=1,
        rms_norm_eps=1e-05, rope_scaling=None, rope_theta=10000.0, tie_word_embeddings=False, torch_dtype="bfloat16",
        transformers_version="4.35.0", use_cache=True, vocab_size=32000,
    ),
    "Mistral 7B v0.3": dict(
        architectures=["MistralForCausalLM"], attention_dropout=0.0, bos_token_id=1, eos_token_id=2, hidden_act="silu",
        hidden_size=4096, initializer_range=0.02, intermediate_size=14336, max_position_embeddings=32768,
        model_type="mistral", num_attention_heads=32, num_hidden_layers=32, num_key_value_heads=8, rms_norm_eps=1e-05,
        rope_theta=1000000.0, sliding_window=None, tie_word_embeddings=False, torch_dtype="bfloat16",
        transformers_version="4.42.0.dev0", use_cache=True, vocab_size=32768,
    ),
    "Qwen2.5 0.5B": dict(
        architectures=["Qwen2ForCausalLM"], attention_dropout=0.0, bos_token_id=151643, eos_token_id=151645,
        hidden_act="silu", hidden_size=896, initializer_range=0.02, intermediate_size=4864,
        max_position_embeddings=32768, max_window_layers=21, model_type="qwen2", num_attention_heads=14,
        num_hidden_layers=24, num_key_value_heads=2, rms_norm_eps=1e-06, rope_theta=1000000.0, sliding_window=32768,
        tie_word_embeddings=True, torch_dtype="bfloat16", transformers_version="4.43.1", use_cache=True,
        use_sliding_window=False, vocab_size=151936,
    ),
    "Qwen3 0.6B": dict(
        architectures=["Qwen3ForCausalLM"], attention_bias=False, attention_dropout=0.0, bos_token_id=151643,
        eos_token_id=151645, head_dim=128, hidden_act="silu", hidden_size=1024, initializer_range=0.02,
        intermediate_size=3072, max_position_embeddings=40960, max_window_layers=28, model_type="qwen3",
        num_attention_heads=16, num_hidden_layers=28, num_key_value_heads=8, rms_norm_eps=1e-06, rope_scaling=None,
        rope_theta=1000000, sliding_window=None, tie_word_embeddings=True, torch_dtype="bfloat16",
        transformers_version="4.51.0", use_cache=True, use_sliding_window=False, vocab_size=151936,
    ),
    "Pythia 70M": dict(
        architectures=["GPTNeoXForCausalLM"], bos_token_id=0, eos_token_id=0, hidden_act="gelu", hidden_size=512,
        initializer_range=0.02, intermediate_size=2048, layer_norm_eps=1e-05, max_position_embeddings=2048,
        model_type="gpt_neox", num_attention_heads=8, num_hidden_layers=6, rotary_emb_base=10000, rotary_pct=0.25,
        tie_word_embeddings=False, torch_dtype="float16", transformers_version="4.24.0", use_cache=True,
        use_parallel_residual=True, vocab_size=50304,
    ),
    "GPT-2": dict(
        activation_function="gelu_new", architectures=["GPT2LMHeadModel"], attn_pdrop=0.1, bos_token_id=50256,
        embd_pdrop=0.1, eos_token_id=50256, initializer_range=0.02, layer_norm_epsilon=1e-05, model_type="gpt2",
        n_ctx=1024, n_embd=768, n_head=12, n_layer=12, n_positions=1024, resid_pdrop=0.1, summary_activation=None,
        summary_first_dropout=0.1, summary_proj_to_labels=True, summary_type="cls_index", summary_use_proj=True,
        task_specific_params={"text-generation": {"do_sample": True, "max_length": 50}}, vocab_size=50257,
    ),
}
ROTARY = {"gpt_neox": GPTNeoXRotaryEmbedding, "qwen3": Qwen3RotaryEmbedding, "gpt2": None}


def parse(config: dict) -> dict:
    """What transformers makes of a config, and the inverse frequencies of its rotary embedding."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        parsed = AutoConfig.from_pretrained(folder)
    keys = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings",
            "num_key_value_heads", "head_dim", "tie_word_embeddings", "bos_token_id", "eos_token_id", "attention_bias",
            "use_parallel_residual", "rope_parameters"]
    values = {key: getattr(parsed, key) for key in keys if hasattr(parsed, key)}
    values["intermediate_size"] = getattr(parsed, "intermediate_size", None) or 4 * parsed.hidden_size
    for eps in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"):
        values["eps"] = getattr(parsed, eps, values.get("eps"))
    rotary = ROTARY.get(config["model_type"], LlamaRotaryEmbedding)
    return {**values, **({"inverse_frequencies": rotary(parsed).inv_freq.tolist()} if rotary else {})}


if __name__ == "__main__":
    cases = [{"name": name, "config": config, "parsed": parse(config)} for name, config in CONFIGS.items()]
    (HERE / "family-configs.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}, indent=1) + "\n")
