"""Training steps of PyTorch + transformers + PEFT as people run them, on random tokens; started by bench/finetune.mjs.

usage: lora_steps.py MODEL lora|full fp32|autocast|bf16 BATCH LENGTH WARMUP STEPS [compile]

fp32: everything in fp32. autocast: fp32 weights under bf16 autocast. bf16: bf16 base and fp32 adapter under autocast.
LoRA r=16 alpha=32 on all linear layers, torch's AdamW, gradients clipped at 1, every position a target. Prints one line of JSON.
"""

import json
import resource
import sys
import time

START = time.perf_counter()

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(folder, method, precision, batch, length, warmup, steps, *rest):
    batch, length, warmup, steps = map(int, (batch, length, warmup, steps))
    torch.manual_seed(0)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    if method == "lora":
        model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", lora_dropout=0.0))
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
    vocabulary = model.config.vocab_size
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
    model.train()
    if "compile" in rest:
        model = torch.compile(model)

    def step():
        ids = torch.randint(0, vocabulary, (batch, length))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision != "fp32"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    seconds, cpu = [], []
    first = None
    for index in range(warmup + steps):
        before, used = time.perf_counter(), cpu_seconds()
        loss = step()
        first = first or time.perf_counter() - START
        if index >= warmup:
            seconds.append(time.perf_counter() - before)
            cpu.append(cpu_seconds() - used)
    print(json.dumps({
        "seconds": seconds, "cpu": cpu, "firstStepSeconds": first, "loss": loss,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "trained": sum(p.numel() for p in trained),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
    }))


main(*sys.argv[1:])
