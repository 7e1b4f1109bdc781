"""The peer of bench/prepare.mjs: datasets.map + HF tokenizers + TRL's best-fit packing, two processes.

usage: prepare_trl.py TOKENIZER_DIR OUT MAX_LENGTH FILE.jsonl...
Prints one JSON line: rows, tokens, versions.
"""

import json
import os
import sys

import datasets
import tokenizers
import trl
from tokenizers import Tokenizer
from trl import pack_dataset

folder, out, max_length, files = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
datasets.disable_progress_bars()
processes = os.cpu_count()
tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
tokenizer.no_truncation()
with open(os.path.join(folder, "tokenizer_config.json")) as file:
    named = json.load(file)["eos_token"]
eos = tokenizer.token_to_id(named if isinstance(named, str) else named["content"])


def encode(batch):
    encodings = tokenizer.encode_batch_fast(batch["text"])
    return {"input_ids": [encoding.ids + [eos] for encoding in encodings]}


data = datasets.load_dataset("json", data_files=files, split="train")
data = data.map(encode, batched=True, num_proc=processes, remove_columns=data.column_names)
data = pack_dataset(data, max_length, "bfd_split", {"num_proc": processes})
data.save_to_disk(out)
tokens = sum(sum(lengths) for lengths in data["seq_lengths"])
versions = {"datasets": datasets.__version__, "tokenizers": tokenizers.__version__, "trl": trl.__version__}
print(json.dumps({"rows": len(data), "tokens": tokens, "versions": versions}))
