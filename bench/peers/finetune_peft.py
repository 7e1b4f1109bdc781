"""transformers + PEFT on what bench/finetune-gsm8k.mjs prepared; started by it.

usage: finetune_peft.py train      MODEL PREPARED PLAN.json FIRST_ADAPTER OUT fp32|autocast all|targets
       finetune_peft.py perplexity MODEL TEST.jsonl PROMPT_KEY ANSWER_KEY [ADAPTER...]
       finetune_peft.py logits     MODEL ADAPTER ROWS.json LOGITS.f32

train: the rows of PLAN.json step by step, documents apart (block-diagonal causal mask, positions restarting), the summed
loss divided by the targets of the step, torch's AdamW, get_cosine_schedule_with_warmup. One JSON line a step. The head is
applied to all positions, as model(...) does, or to those before a target only: the same loss, sooner.
perplexity: chat template, only the answer counts, each document by itself, fp32; of the base and of each adapter.
logits: ours (f32, rows after one another) against PEFT's of the same rows, fp32.
"""

import json
import math
import resource
import sys
import time

import datasets
import numpy as np
import peft
import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, get_cosine_schedule_with_warmup

VERSIONS = {module.__name__: module.__version__ for module in (torch, transformers, peft, datasets)}


def load(model_dir):
    return AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32, attn_implementation="sdpa")


def pad(rows):
    """Rows side by side as HF wants them, with the mask [batch, 1, query, key] that keeps documents apart."""
    length = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), -100)
    positions = torch.zeros(len(rows), length, dtype=torch.long)
    document = torch.full((len(rows), length), -1)
    for i, row in enumerate(rows):
        n = len(row["input_ids"])
        ids[i, :n] = torch.tensor(row["input_ids"])
        labels[i, :n] = torch.tensor(row["labels"])
        positions[i, :n] = torch.tensor(row["position_ids"])
        document[i, :n] = torch.repeat_interleave(torch.arange(len(row["seq_lengths"])), torch.tensor(row["seq_lengths"]))
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask = (document[:, :, None] == document[:, None, :]) & causal
    return {"input_ids": ids, "position_ids": positions, "attention_mask": mask[:, None]}, labels


def summed_loss(logits, labels):
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100, reduction="sum"
    )


@torch.no_grad()
def validation_loss(model, split, batch):
    model.eval()
    total = targets = 0
    for start in range(0, len(split), batch):
        inputs, labels = pad([split[i] for i in range(start, min(start + batch, len(split)))])
        total += summed_loss(model(**inputs).logits, labels).item()
        targets += (labels[:, 1:] != -100).sum().item()
    model.train()
    return total / targets


def loss_at_targets(model, inputs, labels):
    llama = model.get_base_model() if isinstance(model, PeftModel) else model
    hidden = llama.model(**inputs).last_hidden_state[:, :-1]
    chosen = labels[:, 1:] != -100
    return torch.nn.functional.cross_entropy(llama.lm_head(hidden[chosen]), labels[:, 1:][chosen], reduction="sum")


def train(model_dir, prepared, plan_path, first_adapter, out, precision, head):
    plan = json.load(open(plan_path))
    data = datasets.load_from_disk(prepared)
    model = PeftModel.from_pretrained(load(model_dir), first_adapter, is_trainable=True)
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = plan["adamw"]
    optimizer = torch.optim.AdamW(
        parameters, lr=plan["learning_rate"], betas=(adam["beta1"], adam["beta2"]), eps=adam["epsilon"],
        weight_decay=adam["weight_decay"],
    )
    schedule = get_cosine_schedule_with_warmup(optimizer, plan["warmup_steps"], plan["total_steps"])
    say = lambda **line: print(json.dumps(line), flush=True)
    say(versions=VERSIONS, precision=precision, trained_parameters=sum(p.numel() for p in parameters), rows=len(data["train"]))
    for number, indices in enumerate(plan["steps"], start=1):
        rows = [data["train"][i] for i in indices]
        start = time.perf_counter()
        inputs, labels = pad(rows)
        targets = (labels[:, 1:] != -100).sum().item()
        rate = schedule.get_last_lr()[0]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "autocast"):
            total = loss_at_targets(model, inputs, labels) if head == "targets" else summed_loss(model(**inputs).logits, labels)
        loss = total / targets
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, adam["max_grad_norm"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        seconds = time.perf_counter() - start
        tokens = sum(len(row["input_ids"]) for row in rows)
        say(step=number, loss=loss.item(), grad_norm=norm.item(), learning_rate=rate, seconds=seconds, tokens=tokens, targets=targets)
        if number in plan["validate_after"]:
            say(step=number, validation_loss=validation_loss(model, data["validation"], plan["batch"]))
    model.save_pretrained(out)
    say(peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def encode(tokenizer, prompt, answer):
    """The prompt as generation gets it, then the answer up to the token that ends the turn."""
    asked = [{"role": "user", "content": prompt}]
    before = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template([*asked, {"role": "assistant", "content": answer}], tokenize=False)
    assert whole.startswith(before)
    head = tokenizer(before, add_special_tokens=False)["input_ids"]
    tail = tokenizer(whole[len(before):].rstrip("\n"), add_special_tokens=False)["input_ids"]
    return head, tail


@torch.no_grad()
def perplexity(model_dir, test, prompt_key, answer_key, *adapters):
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    documents = [encode(tokenizer, row[prompt_key], row[answer_key]) for row in map(json.loads, open(test, encoding="utf-8"))]
    documents.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
    for adapter in [None, *adapters]:
        model = load(model_dir) if adapter is None else PeftModel.from_pretrained(load(model_dir), adapter)
        model.eval()
        total = targets = 0
        for start in range(0, len(documents), 16):
            rows = [
                {
                    "input_ids": head + tail, "labels": [-100] * len(head) + tail,
                    "position_ids": list(range(len(head) + len(tail))), "seq_lengths": [len(head) + len(tail)],
                }
                for head, tail in documents[start : start + 16]
            ]
            total += loss_at_targets(model, *pad(rows)).item()
            targets += sum(len(tail) for _, tail in documents[start : start + 16])
        print(json.dumps({
            "adapter": adapter, "documents": len(documents), "targets": targets, "loss": total / targets,
            "perplexity": math.exp(total / targets),
        }), flush=True)


@torch.no_grad()
def logits(model_dir, adapter, rows_path, logits_path):
    rows = json.load(open(rows_path))
    ours = torch.from_numpy(np.fromfile(logits_path, dtype="<f4"))
    model = PeftModel.from_pretrained(load(model_dir), adapter).eval()
    inputs, _ = pad(rows)
    theirs = model(**inputs).logits.float()
    ours = ours.view(len(rows), -1, theirs.shape[-1])[:, : theirs.shape[1]]
    real = torch.stack([torch.arange(theirs.shape[1]) < len(row["input_ids"]) for row in rows])
    with model.disable_adapter():
        plain = model(**inputs).logits.float()
    print(json.dumps({
        "versions": VERSIONS, "tokens": int(real.sum()),
        "max_difference": (ours - theirs).abs()[real].max().item(), "largest_logit": theirs.abs()[real].max().item(),
        "adapter_effect": (plain - theirs).abs()[real].max().item(),
    }))


if __name__ == "__main__":
    {"train": train, "perplexity": perplexity, "logits": logits}[sys.argv[1]](*sys.argv[2:])
