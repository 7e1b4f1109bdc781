"""Compares a merged checkpoint with PEFT's base + adapter: largest difference of logits in fp32.

    CUDA_VISIBLE_DEVICES= python test/golden/export/compare_with_peft.py BASE ADAPTER [MERGED]

Without MERGED it shows that PEFT opens the adapter, and how far it moves the logits.
"""

import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


base, adapter, *merged = sys.argv[1:]
plain = load(base)
ids = torch.randint(0, plain.config.vocab_size, (2, 48), generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    before = plain(ids).logits
    adapted = PeftModel.from_pretrained(load(base), adapter).eval()(ids).logits
    print(f"base and base + adapter:   {(adapted - before).abs().max():.3e} (largest logit {adapted.abs().max():.1f})")
    if merged:
        print(f"merged and base + adapter: {(load(merged[0])(ids).logits - adapted).abs().max():.3e}")
