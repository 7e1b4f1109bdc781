"""Makes schedules.json: the rates that transformers' get_scheduler gives, step by step, for a peak of 1.

    CUDA_VISIBLE_DEVICES= python test/golden/train/make_schedules.py
"""

import json
from pathlib import Path

import torch
import transformers
from transformers import get_scheduler

WARMUP, TOTAL = 4, 24
CASES = [
    ("constant", {}),
    ("constant_with_warmup", {}),
    ("linear", {}),
    ("cosine", {}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_with_min_lr", {"min_lr": 0.25}),
    ("warmup_stable_decay", {"num_decay_steps": 8}),
    ("warmup_stable_decay", {"num_decay_steps": 8, "decay_type": "linear", "min_lr_ratio": 0.1}),
    ("warmup_stable_decay", {"num_decay_steps": 20, "decay_type": "1-sqrt", "warmup_type": "cosine", "min_lr_ratio": 0.05}),
    ("warmup_stable_decay", {"num_decay_steps": 1, "decay_type": "cosine", "warmup_type": "1-sqrt"}),
]


def rates(name: str, warmup: int, kwargs: dict) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(name, optimizer, warmup, TOTAL, scheduler_specific_kwargs=kwargs)
    result = []
    for _ in range(TOTAL):
        result.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return result


if __name__ == "__main__":
    cases = [
        {"type": name, "kwargs": kwargs, "warmup_steps": warmup, "total_steps": TOTAL, "rates": rates(name, warmup, kwargs)}
        for name, kwargs in CASES
        for warmup in (WARMUP, 0)
    ]
    fixture = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "cases": cases}
    (Path(__file__).parent / "schedules.json").write_text(json.dumps(fixture) + "\n")
