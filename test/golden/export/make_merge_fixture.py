"""Makes merged.safetensors: llama-gqa with its adapter merged by PEFT in fp32.

    CUDA_VISIBLE_DEVICES= python test/golden/export/make_merge_fixture.py
"""

from pathlib import Path

import peft
import torch
import transformers
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
BASE = HERE.parent / "decoder" / "llama-gqa"

model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
merged = PeftModel.from_pretrained(model, BASE / "adapter").merge_and_unload()
versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
tensors = {name: tensor.contiguous() for name, tensor in merged.state_dict().items()}
save_file(tensors, HERE / "merged.safetensors", {"format": "pt", **versions})
