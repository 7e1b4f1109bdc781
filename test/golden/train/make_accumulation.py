"""Makes accumulation.json: AdamW steps of PEFT on the llama-gqa fixture with packed rows of unequal targets, accumulated as
transformers' Trainer does, which divides the sum of a micro-batch's losses by the targets of the whole step.

    CUDA_VISIBLE_DEVICES= python test/golden/train/make_accumulation.py
"""

import json
from pathlib import Path

import peft
import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
MODEL = HERE.parent / "decoder" / "llama-gqa"
STEPS, MICRO_BATCHES, ROWS = 6, 3, 2
SETTINGS = {"learning_rate": 1e-2, "weight_decay": 0.01, "max_grad_norm": 1.0}


def make_row(generator) -> dict:
    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=generator))

    lengths = [draw(2, 9) for _ in range(draw(1, 4))]
    ids = torch.randint(3, 96, (sum(lengths),), generator=generator)
    labels = ids.clone()
    labels[torch.rand(len(ids), generator=generator) < draw(0, 9) / 10] = -100
    start = 0
    for length in lengths:
        labels[start] = -100  # the first token of a document is nobody's target
        start += length
    labels[1] = ids[1]
    return {"input_ids": ids.tolist(), "labels": labels.tolist(), "seq_lengths": lengths}


def feed(rows: list[dict]) -> dict:
    """A micro-batch, padded on the right, each document seeing itself only."""
    length = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), -100)
    positions = torch.zeros(len(rows), length, dtype=torch.long)
    allowed = torch.eye(length, dtype=torch.bool).repeat(len(rows), 1, 1)
    for i, row in enumerate(rows):
        count, start = len(row["input_ids"]), 0
        ids[i, :count] = torch.tensor(row["input_ids"])
        labels[i, :count] = torch.tensor(row["labels"])
        for size in row["seq_lengths"]:
            part = slice(start, start + size)
            positions[i, part] = torch.arange(size)
            allowed[i, part, part] = torch.ones(size, size).tril().bool()
            start += size
    mask = torch.zeros(len(rows), 1, length, length).masked_fill(~allowed[:, None], torch.finfo(torch.float32).min)
    return {"input_ids": ids, "labels": labels, "position_ids": positions, "attention_mask": mask}


def main() -> None:
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(MODEL, attn_implementation="eager", dtype=torch.float32)
    model = PeftModel.from_pretrained(base, MODEL / "adapter", is_trainable=True).eval()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=SETTINGS["learning_rate"], weight_decay=SETTINGS["weight_decay"], betas=(0.9, 0.999), eps=1e-8
    )
    generator = torch.Generator().manual_seed(17)
    steps = []
    for _ in range(STEPS):
        micro = [[make_row(generator) for _ in range(ROWS)] for _ in range(MICRO_BATCHES)]
        feeds = [feed(rows) for rows in micro]
        targets = sum(int((each["labels"][:, 1:] != -100).sum()) for each in feeds)
        optimizer.zero_grad()
        loss = 0.0
        for each in feeds:
            part = model(**each, num_items_in_batch=targets).loss
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(parameters, SETTINGS["max_grad_norm"])
        optimizer.step()
        steps.append({"micro_batches": micro, "targets": targets, "loss": loss, "grad_norm": norm.item()})
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    (HERE / "accumulation.json").write_text(json.dumps({"versions": versions, **SETTINGS, "steps": steps}) + "\n")


if __name__ == "__main__":
    main()
