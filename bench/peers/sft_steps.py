"""TRL's SFTTrainer with PEFT on tokenized rows (input_ids, completion_mask), one epoch; started by bench/finetune.mjs.

usage: sft_steps.py MODEL TRAIN.jsonl VALIDATION.jsonl MAX_LENGTH BATCH fp32|bf16 default|packing OUT

LoRA r=16 alpha=32 on all linear layers, learning rate 2e-4, cosine, warm-up of 3%. The loss is TRL's own, on completions.
Prints one line of JSON.
"""

import json
import resource
import sys
import time

import torch
import transformers
import trl
from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(folder, train, validation, max_length, batch, precision, how, out):
    bf16 = precision == "bf16"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16 if bf16 else torch.float32)
    rows = load_dataset("json", data_files={"train": train, "validation": validation})
    config = SFTConfig(
        output_dir=out, per_device_train_batch_size=int(batch), per_device_eval_batch_size=int(batch), bf16=bf16,
        max_length=int(max_length), num_train_epochs=1, learning_rate=2e-4, lr_scheduler_type="cosine", warmup_steps=0.03,
        logging_steps=10, save_strategy="no", report_to=[], use_cpu=True, gradient_checkpointing=False, packing=how == "packing",
        eval_packing=False, completion_only_loss=True, disable_tqdm=True, seed=42,
    )
    adapter = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = SFTTrainer(
        model, args=config, train_dataset=rows["train"], eval_dataset=rows["validation"], peft_config=adapter,
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    start, used = time.perf_counter(), cpu_seconds()
    steps = trainer.train().global_step
    seconds, cpu = time.perf_counter() - start, cpu_seconds() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({
        "examples": len(rows["train"]), "seconds": seconds, "cpu": cpu, "steps": steps, "peakBytes": peak,
        "validationLoss": trainer.evaluate()["eval_loss"],
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, trl)},
    }))


main(*sys.argv[1:])
