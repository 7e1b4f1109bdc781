"""Makes the checkpoints that test loading: llama-gqa in bf16, in f16, in shards; and configs in every spelling.

    CUDA_VISIBLE_DEVICES= python test/golden/decoder/make_checkpoint_variants.py

Run after make_decoder_fixtures.py. The logits are those of the stored weights, computed in fp32.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

HERE = Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__}


def old_spelling(config: dict) -> dict:
    """The same config as transformers 4 wrote it: rope_theta and rope_scaling, torch_dtype."""
    config = dict(config)
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
    return config


def write_variant(name: str, dtype: torch.dtype, old: bool = False, shard: str | None = None) -> None:
    folder = HERE / "variants" / name
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(HERE / "llama-gqa", dtype=dtype)
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if old:
        path = folder / "config.json"
        path.write_text(json.dumps(old_spelling(json.loads(path.read_text())), indent=2) + "\n")
    inputs = load_file(HERE / "llama-gqa" / "expected.safetensors")["input_ids"]
    reloaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        logits = reloaded(input_ids=inputs.long()).logits
    save_file({"input_ids": inputs, "logits": logits}, folder / "expected.safetensors", {"format": "pt"})


def spellings() -> dict[str, dict]:
    """Configs as they are met in the wild, small."""
    new = json.loads((HERE / "llama-gqa" / "config.json").read_text())
    llama3 = json.loads((HERE / "llama-rope-llama3" / "config.json").read_text())
    old_llama3 = old_spelling(llama3)
    linear = {**new, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}}
    old_type = old_spelling(linear)
    old_type["rope_scaling"] = {"type": "linear", "factor": 4.0}  # before rope_type was called so
    bare = old_spelling(new)
    for key in ("head_dim", "num_key_value_heads", "rope_theta", "rope_scaling", "attention_bias", "mlp_bias",
                "tie_word_embeddings", "rms_norm_eps", "hidden_act", "bos_token_id", "eos_token_id", "pad_token_id"):
        del bare[key]
    several = {**new, "eos_token_id": [2, 5], "rope_parameters": {**new["rope_parameters"], "rope_theta": 500000.0}}
    mistral = {**old_spelling(new), "model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": None}
    return {
        "transformers 5": new, "transformers 4": old_spelling(new), "llama3, transformers 5": llama3,
        "llama3, transformers 4": old_llama3, "linear, transformers 5": linear, "linear, `type`": old_type,
        "bare": bare, "several end tokens": several, "mistral": mistral,
    }


def parse(config: dict) -> dict:
    """What transformers makes of a config, and the inverse frequencies of its rotary embedding."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        parsed = AutoConfig.from_pretrained(folder)
    keys = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
            "head_dim", "rms_norm_eps", "hidden_act", "max_position_embeddings", "tie_word_embeddings", "attention_bias",
            "mlp_bias", "bos_token_id", "eos_token_id", "pad_token_id", "rope_parameters"]
    values = {key: getattr(parsed, key, None) for key in keys}
    return {**values, "inverse_frequencies": LlamaRotaryEmbedding(parsed).inv_freq.tolist()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_variant("bf16", torch.bfloat16)
    write_variant("f16", torch.float16, old=True)
    write_variant("bf16-sharded", torch.bfloat16, old=True, shard="20KB")
    cases = [{"name": name, "config": config, "parsed": parse(config)} for name, config in spellings().items()]
    (HERE / "spellings.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}, indent=1) + "\n")
