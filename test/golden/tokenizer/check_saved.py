"""Opens a folder that saveTokenizer wrote in transformers and tokenizers and compares ids. usage: check_saved.py FOLDER < ids.json

ids.json: {"texts": [...], "ids": [[...]], "chat": "..."}, what llmkit gave for the texts and for one user message "hi"."""
import json, sys
import tokenizers, transformers
from transformers import AutoTokenizer

given = json.load(sys.stdin)
t = AutoTokenizer.from_pretrained(sys.argv[1])
raw = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
for text, ids in zip(given["texts"], given["ids"]):
    assert t.encode(text) == raw.encode(text).ids == ids, text
    assert t.decode(ids, clean_up_tokenization_spaces=False) == text, text
assert t.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True) == given["chat"]
print("same:", len(given["texts"]), "texts; transformers", transformers.__version__, "tokenizers", tokenizers.__version__, type(t).__name__, t.special_tokens_map, t.model_max_length)
