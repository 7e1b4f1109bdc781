"""Quantized checkpoints written by the compressed-tensors library itself, for test/quant/compressed-tensors.test.ts.

Run: python compressed_tensors_checkpoints.py ../decoder/llama-gqa .
Makes int-quantized/ and pack-quantized/, each a folder that transformers opens: the tiny Llama of test/golden/decoder rounded to
nearest on scales that bfloat16 and float16 hold (see src/quant/grid.ts), and expected.safetensors with the logits that
transformers computes from it: activations in float for pack-quantized, rounded per token by the library for int-quantized.
The library is pure Python and was run from its repository, commit ac8e2ba8.
"""

import json
import sys
from pathlib import Path

import compressed_tensors
import torch
import transformers
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

source, target = map(Path, sys.argv[1:3])
input_ids = load_file(source / "expected.safetensors")["input_ids"].long()


def half_scales(weight, group):
    absmax = weight.reshape(weight.shape[0], -1, group).abs().amax(2).double()
    scale = 2 * absmax / 255
    step = torch.exp2(torch.floor(torch.log2(scale)) - 7).clamp(min=2**-24)
    return (torch.ceil(scale / step) * step).float()


def logits(model):
    with torch.no_grad():
        return model(input_ids).logits.float().contiguous()


for name, group in (("int-quantized", None), ("pack-quantized", 16)):
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "dynamic": False}
    weights |= {"strategy": "group", "group_size": group} if group else {"strategy": "channel"}
    token = {"num_bits": 8, "type": "int", "symmetric": True, "dynamic": True, "strategy": "token"}
    config = QuantizationConfig.model_validate(
        {
            "format": name,
            "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None if group else token}},
        }
    )
    apply_quantization_config(model, config)
    for module in model.modules():
        if hasattr(module, "weight_scale"):
            module.weight_scale.data = half_scales(module.weight.data, group or module.weight.shape[1])
            if hasattr(module, "weight_zero_point"):
                del module.weight_zero_point
    compressor = ModelCompressor.from_pretrained_model(model, quantization_format=name)
    compressor.compress_model(model)
    folder = target / name
    folder.mkdir(exist_ok=True)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text((source / "config.json").read_text())
    compressor.update_config(str(folder))

    expected = {}
    opened = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    expected["logits"] = logits(opened)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "compressed_tensors": compressed_tensors.__version__}
    save_file(expected, folder / "expected.safetensors", metadata=versions)
    print(name, json.dumps({k: [str(v.dtype), list(v.shape)] for k, v in state.items() if "layers.0.self_attn.q" in k}), opened.model.layers[0].mlp.down_proj)
