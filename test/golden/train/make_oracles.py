"""Makes oracles.json: what transformers, PEFT and torch say of everything around a training step.

    CUDA_VISIBLE_DEVICES= python test/golden/train/make_oracles.py

losses: LabelSmoother and a z-loss on logits = hidden head^T, fp64, with gradients. decays: which parameters the Trainer
decays, by the names that checkpoints and adapters have. length_groups: LengthGroupedSampler's order of a given permutation.
stopping: EarlyStoppingCallback on series of validation losses.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainerState
from transformers.trainer_pt_utils import LabelSmoother, get_length_grouped_indices

N, H, V = 6, 4, 7


def losses() -> dict:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(N, H, generator=generator, dtype=torch.float64)
    head = torch.randn(V, H, generator=generator, dtype=torch.float64)
    labels = torch.tensor([2, 6, -100, 0, 2, 5])
    kept = labels != -100
    cases = []
    for smoothing, z_loss in ((0.1, 0.0), (0.0, 0.01), (0.3, 0.02)):
        x, w = hidden.clone().requires_grad_(), head.clone().requires_grad_()
        logits = x @ w.T
        count = int(kept.sum())
        total = LabelSmoother(epsilon=smoothing)({"logits": logits}, labels) * count
        total = total + z_loss * torch.logsumexp(logits, -1)[kept].square().sum()
        total.backward()
        cases.append({
            "smoothing": smoothing, "z_loss": z_loss, "loss_sum": total.item(),
            "d_hidden": x.grad.flatten().tolist(), "d_head": w.grad.flatten().tolist(),
        })
    return {
        "hidden": hidden.flatten().tolist(), "head": head.flatten().tolist(), "labels": labels.tolist(),
        "shape": [N, H, V], "cases": cases,
    }


TINY = dict(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
FAMILIES = {
    "llama": transformers.LlamaConfig(**TINY, attention_bias=True),
    "qwen2": transformers.Qwen2Config(**TINY),
    "qwen3": transformers.Qwen3Config(**TINY, head_dim=4),
    "gpt2": transformers.GPT2Config(vocab_size=16, n_embd=8, n_layer=1, n_head=2, n_positions=8),
    "gpt_neox": transformers.GPTNeoXConfig(**TINY),
}


def decays() -> dict:
    result = {}
    for family, config in FAMILIES.items():
        model = transformers.AutoModelForCausalLM.from_config(config)
        decayed = set(Trainer.get_decay_parameter_names(None, model))
        result[family] = {name: name in decayed for name, _ in model.named_parameters()}
    lora = LoraConfig(r=2, target_modules=["q_proj"], use_dora=True, bias="lora_only", task_type="CAUSAL_LM")
    model = get_peft_model(transformers.AutoModelForCausalLM.from_config(FAMILIES["qwen2"]), lora)
    decayed = set(Trainer.get_decay_parameter_names(None, model))
    result["lora"] = {
        name.removeprefix("base_model.model.").replace(".default", ""): name in decayed
        for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    return result


def length_groups() -> list:
    cases = []
    for seed, count, group in ((1, 23, 2), (2, 64, 4), (3, 5, 4), (4, 900, 3)):
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(1, 40, (count,), generator=generator).tolist()
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed + 100)).tolist()
        grouped = get_length_grouped_indices(lengths, group, generator=torch.Generator().manual_seed(seed + 100))
        cases.append({"lengths": lengths, "order": order, "group": group, "grouped": grouped})
    return cases


def stopping() -> list:
    series = [
        [3.0, 2.5, 2.4, 2.45, 2.41, 2.39, 2.5, 2.6, 2.7],
        [3.0, 2.95, 2.91, 2.88, 2.86, 2.85, 2.849],
        [2.0, 2.0, 2.0],
        [1.0, 2.0, 0.5, 0.6, 0.7, 0.4],
    ]
    cases = []
    for values in series:
        for patience, threshold in ((1, 0.0), (2, 0.0), (2, 0.06), (3, 0.02)):
            callback = EarlyStoppingCallback(patience, threshold)
            state, control = TrainerState(), TrainerControl()
            args = SimpleNamespace(metric_for_best_model="eval_loss", greater_is_better=False)
            best, stopped = None, None
            for index, value in enumerate(values):
                callback.on_evaluate(args, state, control, metrics={"eval_loss": value})
                if state.best_metric is None or value < state.best_metric:
                    state.best_metric, best = value, index
                if control.should_training_stop:
                    stopped = index
                    break
            cases.append({
                "losses": values, "patience": patience, "threshold": threshold, "stopped": stopped, "best": best,
            })
    return cases


if __name__ == "__main__":
    torch.set_num_threads(1)
    fixture = {
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
        "losses": losses(), "decays": decays(), "length_groups": length_groups(), "stopping": stopping(),
    }
    (Path(__file__).parent / "oracles.json").write_text(json.dumps(fixture) + "\n")
