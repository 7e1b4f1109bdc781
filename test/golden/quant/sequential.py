"""True-sequential GPTQ of a whole tiny Llama through transformers, for test/quant/quantize-model.test.ts.

Run: python sequential.py ../decoder/llama-gqa sequential.safetensors

For each block, {q,k,v}, o, {gate,up}, down in turn: the inputs of the layer are caught by a hook while the model, quantized so
far, runs on the calibration documents; then the published algorithm (gptq.py beside this file) quantizes it.
"""

import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

source, target = sys.argv[1:3]
path = Path(__file__).with_name("gptq.py")
gptq = {}
exec(path.read_text().split("rows, columns, samples =")[0], gptq)  # the functions, not the fixture

model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
ids = load_file(f"{source}/expected.safetensors")["input_ids"].long()
# Two rows of 16 tokens cut to 14: one document, and two of 7 packed into a row.
documents = [ids[0, :14], ids[1, :7], ids[1, 7:14]]


def inputs_of(module):
    caught = []
    hook = module.register_forward_pre_hook(lambda _, args: caught.append(args[0].detach().reshape(-1, args[0].shape[-1])))
    with torch.no_grad():
        for document in documents:
            model(document[None])
    hook.remove()
    return torch.cat(caught)


tensors = {}
for index, block in enumerate(model.model.layers):
    attention, mlp = block.self_attn, block.mlp
    groups = [
        {"q_proj": attention.q_proj, "k_proj": attention.k_proj, "v_proj": attention.v_proj},
        {"o_proj": attention.o_proj},
        {"gate_proj": mlp.gate_proj, "up_proj": mlp.up_proj},
        {"down_proj": mlp.down_proj},
    ]
    for group in groups:
        x = inputs_of(next(iter(group.values())))
        tensors[f"{index}.{next(iter(group))}.hessian"] = (2 / x.shape[0] * (x.double().T @ x.double())).float()
        for role, module in group.items():
            codes, scales = gptq["gptq"](module.weight.data, x, torch.float64, None, False, True)
            tensors[f"{index}.{role}.codes"] = codes
            tensors[f"{index}.{role}.error"] = gptq["output_error"](module.weight.data, x, codes, scales).reshape(1)
            module.weight.data = codes.float() * scales
save_file(tensors, target, metadata={"torch": torch.__version__, "transformers": transformers.__version__})
