"""Conversations with their tokens and assistant masks as transformers makes them, and TRL's best-fit packing.

    CUDA_VISIBLE_DEVICES= python make_chat.py

Writes tokenizer/ (a tiny byte-level BPE), chat.json and pack.json beside this script. The mask is transformers' own
(`return_assistant_tokens_mask`), which reads the {% generation %} marks; llmkit gets the same templates without marks.
"""

import json
import pathlib
import random
import shutil

import datasets
import tokenizers
import transformers
import trl
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from trl.data_utils import pack_dataset

HERE = pathlib.Path(__file__).parent

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "</s>", "<s>"]

# A newline behind a {% %} tag is dropped (trim_blocks): the one behind a turn is an expression.
GENERATION = ("{% generation %}", "{% endgeneration %}")
TEMPLATES = {
    "chatml": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['role'] == 'assistant' %}@{{ m['content'] }}<|im_end|>${{ '\\n' }}{% else %}{{ m['content'] }}<|im_end|>\n{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
    "llama3": (
        "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
        "{% if m['role'] == 'assistant' %}@{{ m['content'] | trim }}<|eot_id|>${% else %}{{ m['content'] | trim }}<|eot_id|>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
    ),
    "plain-eos": (
        "{% for m in messages %}{% if m['role'] == 'assistant' %} ASSISTANT:@ {{ m['content'] }}</s>$"
        "{% else %}USER: {{ m['content'] }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
    ),
    # Shows reasoning in the last turn only, as Qwen3's template does.
    "drops-thoughts": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['role'] == 'assistant' %}@{% if loop.last %}{{ m['content'] }}{% else %}{{ m['content'].split('</think>')[-1] | trim }}"
        "{% endif %}<|im_end|>${{ '\\n' }}{% else %}{{ m['content'] }}<|im_end|>\n{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    ),
}

CONVERSATIONS = {
    "one turn": [("user", "How many is 2 + 3?"), ("assistant", "It is 5.")],
    "system and two turns": [
        ("system", "You are terse."),
        ("user", "Hello there"),
        ("assistant", "Hi."),
        ("user", "And 中文?"),
        ("assistant", "好的 😀"),
    ],
    "ends with the user": [("user", "a"), ("assistant", "b"), ("user", "c")],
    "no assistant": [("user", "anyone?")],
    "code": [("user", "code"), ("assistant", "def f():\n    return 1\n\n\ndef g():\n    pass")],
    "the answer repeats the question": [("user", "echo"), ("assistant", "echo"), ("user", "echo"), ("assistant", "echo")],
    "thoughts": [
        ("user", "one?"),
        ("assistant", "<think>\nhm\n</think>\n\n1"),
        ("user", "two?"),
        ("assistant", "<think>\nhm hm\n</think>\n\n2"),
    ],
}


def main():
    words = " ".join(t for c in CONVERSATIONS.values() for _, t in c) + " system user assistant USER: ASSISTANT: " * 20
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([words], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|endoftext|>")
    shutil.rmtree(HERE / "tokenizer", ignore_errors=True)
    fast.save_pretrained(HERE / "tokenizer")

    cases = []
    for template, marked in TEMPLATES.items():
        with_marks = marked.replace("@", GENERATION[0]).replace("$", GENERATION[1])
        for name, turns in CONVERSATIONS.items():
            messages = [{"role": r, "content": c} for r, c in turns]
            out = fast.apply_chat_template(
                messages, chat_template=with_marks, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
            )
            cases.append(
                {"template": template, "name": name, "messages": messages, "input_ids": out["input_ids"], "mask": out["assistant_masks"]}
            )
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__, "trl": trl.__version__}
    plain = {k: v.replace("@", "").replace("$", "") for k, v in TEMPLATES.items()}
    record = {"versions": versions, "templates": plain, "cases": cases}
    (HERE / "chat.json").write_text(json.dumps(record, ensure_ascii=False) + "\n")

    rng = random.Random(5)
    packs = []
    for capacity, count in [(16, 40), (128, 300), (1024, 500)]:
        lengths = [min(capacity, max(1, int(rng.lognormvariate(0, 0.7) * capacity / 5))) for _ in range(count)]
        data = datasets.Dataset.from_dict({"input_ids": [[i] * n for i, n in enumerate(lengths)]})
        packed = pack_dataset(data, capacity, strategy="bfd")
        bins = [list(dict.fromkeys(row)) for row in packed["input_ids"]]
        packs.append({"capacity": capacity, "lengths": lengths, "bins": bins})
    (HERE / "pack.json").write_text(json.dumps({"versions": versions, "packs": packs}) + "\n")


main()
