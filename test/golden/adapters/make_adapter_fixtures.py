"""Makes the oracle of the methods of fine-tuning: PEFT's adapters of every kind over the tiny models of ../decoder.

    CUDA_VISIBLE_DEVICES= python test/golden/adapters/make_adapter_fixtures.py

Names of adapters after it make only those. Inputs, labels and the batches of twenty steps are those of the base's own expected.safetensors. See README.md.
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
DECODER = HERE.parent / "decoder"
spec = importlib.util.spec_from_file_location("decoder", DECODER / "make_decoder_fixtures.py")
decoder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(decoder)

# Name: base, options of LoraConfig.
ADAPTERS = {
    "patterns": ("llama-gqa", dict(
        target_modules=r".*\.(q|v|down)_proj", exclude_modules=r".*layers\.1.*v_proj",
        rank_pattern={"down_proj": 8, r"layers\.0\.self_attn\.q_proj": 2}, alpha_pattern={"v_proj": 3, "mlp.down_proj": 5})),
    "layers": ("llama-gqa", dict(
        target_modules=["q_proj", "v_proj", "up_proj", "model.layers.0.mlp.down_proj"], layers_to_transform=[1], exclude_modules=["v_proj"],
        use_rslora=True, rank_pattern={"up_proj": 9}, init_lora_weights="gaussian")),
    "dora": ("llama-bias", dict(target_modules="all-linear", use_dora=True, rank_pattern={"o_proj": 2})),
    "bias-all": ("llama-bias", dict(target_modules=["q_proj", "v_proj"], bias="all")),
    "bias-lora-only": ("llama-bias", dict(target_modules=["q_proj", "v_proj"], bias="lora_only")),
    "modules-to-save": ("llama-gqa", dict(target_modules=["q_proj", "v_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "tied": ("llama-gqa-tied", dict(
        target_modules=["q_proj", "v_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True)),
    # Matrices stored [in, out], and q, k, v as one.
    "gpt2-dora": ("gpt2", dict(
        target_modules=["c_attn", "c_fc", "mlp.c_proj"], use_dora=True, bias="all", fan_in_fan_out=True,
        rank_pattern={"c_attn": 3})),
    "gpt-neox-dora": ("gpt-neox", dict(
        target_modules=r".*(query_key_value|dense_h_to_4h)", use_dora=True, bias="lora_only",
        modules_to_save=["embed_in", "lm_head"])),
}
SETTINGS = dict(learning_rate=1e-2, betas=(0.9, 0.999), weight_decay=0.0, clip=None)


def open_base(name: str):
    return AutoModelForCausalLM.from_pretrained(DECODER / name, dtype=torch.float32, attn_implementation="eager").eval()


def checkpoint_name(model, name: str) -> str:
    """transformers 5 calls GPT-NeoX's head lm_head and saves it as embed_out."""
    return name.replace("lm_head.", "embed_out.") if model.config.model_type == "gpt_neox" else name


def trained(model) -> dict[str, torch.Tensor]:
    """Each trained parameter once, by the name it has in the training graph."""
    named = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            for part in ("base_model.model.", ".default", ".modules_to_save", ".base_layer"):
                name = name.replace(part, "")
            named[checkpoint_name(model, name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector"))] = parameter
    return named


def make_adapter(base: str, options: dict, seed: int):
    """An adapter in which nothing is as it began, so that no part of it goes unseen."""
    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM", **options)
    model = get_peft_model(open_base(base), config).eval()
    model.peft_config["default"].base_model_name_or_path = base
    with torch.no_grad():
        for name, parameter in trained(model).items():
            noise = torch.randn_like(parameter)
            parameter.copy_(0.1 * noise if "lora_B" in name else parameter * (1 + 0.2 * noise))
    return model


def save(model, folder: Path) -> None:
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    if isinstance(config["target_modules"], list):
        config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(name: str, base: str, options: dict, seed: int) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    inputs = load_file(DECODER / base / "expected.safetensors")
    ids, labels = inputs["input_ids"].long(), inputs["labels"].long()
    model = make_adapter(base, options, seed)
    save(model, folder)
    parameters = trained(model)
    tensors = {"logits": model(input_ids=ids).logits}
    loss, gradients = decoder.loss_and_gradients(model, parameters, input_ids=ids, labels=labels)
    tensors |= {f"grad.{key}": value for key, value in gradients.items()}
    step_ids, step_labels = inputs["steps.input_ids"].long(), inputs["steps.labels"].long()
    steps = decoder.train(model, parameters, step_ids, step_labels, **SETTINGS)
    merged = make_adapter(base, options, seed).merge_and_unload()
    plain = open_base(base).state_dict()
    for key, value in merged.state_dict().items():
        if key in plain and not torch.equal(value, plain[key]):
            tensors[f"merged.{checkpoint_name(merged, key)}"] = value
    expected = {"versions": decoder.VERSIONS, "base": base, "loss": loss, "trained": sorted(parameters), "steps": steps}
    save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(name, len(parameters), "trained;", sorted(load_file(folder / "adapter_model.safetensors"))[:3])


def make_freeze(base: str) -> None:
    """transformers alone: the last block is trained, the rest is frozen."""
    model = open_base(base)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("model.layers.1.")
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    inputs = load_file(DECODER / base / "expected.safetensors")
    steps = decoder.train(model, parameters, inputs["steps.input_ids"].long(), inputs["steps.labels"].long(), **SETTINGS)
    expected = {"versions": decoder.VERSIONS, "base": base, "trained": sorted(parameters), "steps": steps}
    (HERE / "freeze.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for index, (name, (base, options)) in enumerate(ADAPTERS.items()):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        make(name, base, options, 1000 + index)
    make_freeze("llama-gqa")
