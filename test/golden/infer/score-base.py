"""What transformers makes of the beginning of a base checkpoint's held-out texts, for test/infer/base.test.ts.

usage: CUDA_VISIBLE_DEVICES= python score-base.py MODEL_DIR OUT.json
"""

import json
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, out = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(folder)
text = "\n".join(json.load(open(f"{folder}/holdout.json"))[:10])[:2000]
ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
prompt = "Question: What is the capital of France?\nAnswer:"
inputs = tokenizer(prompt, return_tensors="pt")
with torch.no_grad():
    logits = model(ids).logits[0, :-1]
    targets = ids[0, 1:]
    log_probs = torch.log_softmax(logits.double(), -1).gather(1, targets[:, None])
    greedy = model.generate(**inputs, max_new_tokens=40, do_sample=False)[0, inputs.input_ids.shape[1] :]
json.dump(
    {
        "versions": {m.__name__: m.__version__ for m in (torch, transformers)},
        "text": text,
        "tokens": len(targets),
        "sumLogProb": log_probs.sum().item(),
        "greedyMatches": (logits.argmax(-1) == targets).sum().item(),
        "prompt": prompt,
        "continuation": tokenizer.decode(greedy, skip_special_tokens=True),
    },
    open(out, "w"),
    ensure_ascii=False,
    indent=1,
)
