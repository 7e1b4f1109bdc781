"""Makes the decoder's oracle: tiny random models with what transformers and PEFT compute on them.

    CUDA_VISIBLE_DEVICES= python test/golden/decoder/make_decoder_fixtures.py [NAME ...]

Everything is fp32 with eager attention; all models, or those named. See README.md beside this file for what each tensor is.
"""

import json
import shutil
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
VERSIONS = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
ROWS, LENGTH, STEPS = 2, 16, 20
DOCUMENTS = [7, 9]

BASE = dict(
    vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
    intermediate_size=48, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
    bos_token_id=1, eos_token_id=2, pad_token_id=0,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
)
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
MODELS = {
    "llama-gqa": {},
    "llama-gqa-tied": {"tie_word_embeddings": True},
    # With theta 100 the four frequencies fall into all three bands of the llama3 rule.
    "llama-rope-llama3": {"rope_parameters": LLAMA3},
    "llama-bias": {"attention_bias": True, "mlp_bias": True},
    "llama-head-dim": {
        "head_dim": 16, "num_key_value_heads": 1, "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
    },
}
# One model of each other family.
SIZES = dict(vocab_size=96, bos_token_id=1, eos_token_id=2, pad_token_id=0)
QWEN = dict(
    **SIZES, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
    max_position_embeddings=64, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
)
FAMILIES = {
    "qwen2": {"model_type": "qwen2", **QWEN, "tie_word_embeddings": True},
    "qwen3": {"model_type": "qwen3", **QWEN, "head_dim": 16},
    # A quarter of each head turns, as in Pythia.
    "gpt-neox": {
        "model_type": "gpt_neox", **SIZES, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 64,
        "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.25},
    },
    "gpt2": {"model_type": "gpt2", **SIZES, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4},
}


def make_model(overrides: dict, seed: int):
    torch.manual_seed(seed)
    base = {} if "model_type" in overrides else {"model_type": "llama", **BASE}
    config = AutoConfig.for_model(**{**base, **overrides})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif "norm" in name or ".ln_" in name:
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(0.25 * torch.randn_like(parameter))
    return model


def add_lora(model, name: str, seed: int, **extra):
    """PEFT's LoRA on every linear layer; lora_B is random, so that no gradient is trivially zero."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM",
        base_model_name_or_path=name, **extra,
    )
    wrapped = get_peft_model(model, config).eval()
    wrapped.peft_config["default"].base_model_name_or_path = name
    with torch.no_grad():
        for key, parameter in wrapped.named_parameters():
            if "lora_B" in key:
                parameter.copy_(0.1 * torch.randn_like(parameter))
    return wrapped


def lora_parameters(model) -> dict[str, torch.Tensor]:
    """By the names of adapter_model.safetensors."""
    return {n.replace(".default.", "."): p for n, p in model.named_parameters() if "lora_" in n}


def random_batches(count: int, vocab: int, generator) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(3, vocab, (count, ROWS, LENGTH), generator=generator)
    labels = ids.clone()
    labels[torch.rand(ids.shape, generator=generator) < 0.3] = -100
    labels[:, 0, :3] = -100  # a prompt that carries no loss
    labels[:, 1, 13:] = -100  # a padded end
    return ids, labels


def loss_and_gradients(model, parameters: dict[str, torch.Tensor], **inputs):
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    gradients = {name: p.grad.detach().clone() for name, p in parameters.items()}
    model.zero_grad()
    return loss.item(), gradients


def train(model, parameters: dict[str, torch.Tensor], ids, labels, learning_rate, betas, weight_decay, clip, decay_norms=True):
    """Losses (before each update) and gradient norms of STEPS steps of torch's AdamW. Changes the model."""
    groups = [{"params": [p for p in parameters.values() if p.ndim > 1 or decay_norms], "weight_decay": weight_decay}]
    if not decay_norms:
        groups.append({"params": [p for p in parameters.values() if p.ndim == 1], "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = model(input_ids=ids[step], labels=labels[step]).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(list(parameters.values()), clip if clip is not None else float("inf"))
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm.item())
    return {
        "learning_rate": learning_rate, "betas": betas, "eps": 1e-8, "weight_decay": weight_decay,
        "max_grad_norm": clip, "losses": losses, "grad_norms": norms,
    }


def run_training(name, overrides, seed, kind, dtype, settings):
    """A fresh model (and adapter) trained for STEPS steps in the given dtype."""
    model = make_model(overrides, seed)
    if kind == "lora":
        model = add_lora(model, name, seed + 1).to(dtype)
        parameters = lora_parameters(model)
    else:
        model = model.to(dtype)
        parameters = dict(model.named_parameters())
    ids, labels = random_batches(STEPS, model.config.vocab_size, torch.Generator().manual_seed(seed + 3))
    return train(model, parameters, ids, labels, **settings), parameters


def training_section(name, overrides, seed, kind, settings):
    """The fp32 run, with how far fp64 goes from it: the reason for the tolerance of a comparison."""
    run, parameters = run_training(name, overrides, seed, kind, torch.float32, settings)
    wide, _ = run_training(name, overrides, seed, kind, torch.float64, settings)
    run["max_relative_difference_to_fp64"] = max(abs(a - b) / abs(b) for a, b in zip(run["losses"], wide["losses"]))
    return run, {key: p.detach().clone() for key, p in parameters.items()}


def packed_inputs(vocab: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, vocab, (1, LENGTH), generator=generator)
    labels = ids.clone()
    labels[0, 2] = labels[0, 11] = -100
    positions = torch.cat([torch.arange(n) for n in DOCUMENTS])[None]
    start = 0
    allowed = torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    for length in DOCUMENTS:
        labels[0, start] = -100  # the first token of a document is nobody's target
        allowed[start : start + length, start : start + length] = torch.ones(length, length).tril().bool()
        start += length
    mask = torch.zeros(1, 1, LENGTH, LENGTH).masked_fill(~allowed, torch.finfo(torch.float32).min)
    return ids, labels, positions, mask


@torch.no_grad()
def separate_documents(model, ids, labels):
    """Logits and loss of the documents run one by one, as the packed row must give them."""
    logits, total, count, start = [], 0.0, 0, 0
    for length in DOCUMENTS:
        part = slice(start, start + length)
        out = model(input_ids=ids[:, part]).logits
        targets = labels[:, part][:, 1:].reshape(-1)
        total += torch.nn.functional.cross_entropy(out[0, :-1], targets, ignore_index=-100, reduction="sum").item()
        count += int((targets != -100).sum())
        logits.append(out)
        start += length
    return torch.cat(logits, dim=1), total / count


@torch.no_grad()
def greedy(model, prompt: torch.Tensor, count: int):
    """Greedy decoding with the cache: the tokens, and the logits each was chosen from."""
    cache, tokens, chosen, step = None, [], [], prompt
    for _ in range(count):
        out = model(input_ids=step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        chosen.append(out.logits[0, -1])
        step = out.logits[:, -1:].argmax(-1)
        tokens.append(int(step))
    return tokens, torch.stack(chosen)


def make(name: str, overrides: dict, seed: int) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model = make_model(overrides, seed)
    vocab = model.config.vocab_size
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    expected: dict = {"versions": VERSIONS, "seed": seed}

    ids, labels = random_batches(1, vocab, torch.Generator().manual_seed(seed + 2))
    ids, labels = ids[0], labels[0]
    out = model(input_ids=ids, labels=labels, output_hidden_states=True)
    tensors |= {"input_ids": ids.int(), "labels": labels.int(), "logits": out.logits, "hidden_states": torch.stack(out.hidden_states)}
    expected["loss"] = out.loss.item()
    expected["target_tokens"] = int((labels[:, 1:] != -100).sum())

    packed_ids, packed_labels, positions, mask = packed_inputs(vocab, seed + 4)
    packed_logits, packed_loss = separate_documents(model, packed_ids, packed_labels)
    whole = model(input_ids=packed_ids, position_ids=positions, attention_mask=mask, labels=packed_labels)
    assert torch.allclose(whole.logits, packed_logits, atol=1e-5) and abs(whole.loss.item() - packed_loss) < 1e-5
    tensors |= {
        "packed.input_ids": packed_ids.int(), "packed.labels": packed_labels.int(),
        "packed.position_ids": positions.int(), "packed.logits": packed_logits,
    }
    expected["packed"] = {"seq_lengths": DOCUMENTS, "loss": packed_loss}

    if name in ("llama-gqa", "llama-gqa-tied", *FAMILIES):
        stored = {"lm_head.weight": "embed_out.weight"} if model.config.model_type == "gpt_neox" else {}
        _, gradients = loss_and_gradients(model, dict(model.named_parameters()), input_ids=ids, labels=labels)
        tensors |= {f"grad.{stored.get(key, key)}": value for key, value in gradients.items()}
        prompt = ids[:1, :5]
        tokens, logits = greedy(model, prompt, 12)
        top = logits.topk(2, dim=-1).values
        expected["greedy"] = {
            "prompt": prompt[0].tolist(), "tokens": tokens, "smallest_margin": float((top[:, 0] - top[:, 1]).min()),
        }
        tensors["greedy.logits"] = logits
        settings = dict(learning_rate=3e-3, betas=(0.9, 0.95), weight_decay=0.1, clip=1.0, decay_norms=False)
        expected["pretrain"], _ = training_section(name, overrides, seed, "full", settings)

    if name == "llama-gqa":
        rank_stabilized = add_lora(make_model(overrides, seed), name, seed + 1, use_rslora=True)
        expected["rslora_loss"] = rank_stabilized(input_ids=ids, labels=labels).loss.item()

    adapted = add_lora(model, name, seed + 1)
    factors = lora_parameters(adapted)
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    config_path = folder / "adapter" / "adapter_config.json"
    config = json.loads(config_path.read_text())
    config["target_modules"] = sorted(config["target_modules"])
    config_path.write_text(json.dumps(config, indent=2) + "\n")

    tensors["lora.logits"] = adapted(input_ids=ids).logits
    expected["lora_loss"], gradients = loss_and_gradients(adapted, factors, input_ids=ids, labels=labels)
    tensors |= {f"lora.grad.{key}": value for key, value in gradients.items()}
    expected["packed"]["lora_loss"], gradients = loss_and_gradients(
        adapted, factors, input_ids=packed_ids, position_ids=positions, attention_mask=mask, labels=packed_labels
    )
    if name == "llama-gqa":
        tensors |= {f"packed.lora.grad.{key}": value for key, value in gradients.items()}

    step_ids, step_labels = random_batches(STEPS, vocab, torch.Generator().manual_seed(seed + 3))
    tensors |= {"steps.input_ids": step_ids.int(), "steps.labels": step_labels.int()}
    plain = dict(learning_rate=1e-2, betas=(0.9, 0.999), weight_decay=0.0, clip=None)
    clipped = dict(learning_rate=1e-2, betas=(0.9, 0.999), weight_decay=0.01, clip=1.0)
    expected["lora_steps"], final = training_section(name, overrides, seed, "lora", plain)
    expected["lora_steps_clipped"], _ = training_section(name, overrides, seed, "lora", clipped)
    if name == "llama-gqa":
        tensors |= {f"lora.final.{key}": value for key, value in final.items()}

    save_file({key: value.detach().contiguous() for key, value in tensors.items()}, folder / "expected.safetensors", {"format": "pt"})
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for index, (name, overrides) in enumerate({**MODELS, **FAMILIES}.items()):
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        make(name, overrides, 100 * (index + 1))
        print(name)
