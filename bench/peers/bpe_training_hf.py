"""BPE training with HF tokenizers on all its threads, for bench/bpe-training.mjs, which starts it.

usage: bpe_training_hf.py PRETOKENIZER VOCAB OUT FILE...   Writes the tokenizer to OUT/hf.json and prints one JSON line."""
import json, resource, sys, time
import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

pretokenizer, vocab, out, files = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
texts = []
for file in files:
    with open(file, encoding="utf-8", newline="\n") as lines:
        texts += [json.loads(line)["text"] if file.endswith(".jsonl") else line.rstrip("\n") for line in lines if line != "\n"]

CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
split = lambda digits: pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(CASES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + TAIL), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
tokenizer = Tokenizer(models.BPE())
if pretokenizer == "gpt2":
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
else:
    tokenizer.pre_tokenizer = split(r"\p{N}{1,3}" if pretokenizer == "llama3" else r"\p{N}")
if pretokenizer == "qwen2":
    tokenizer.normalizer = normalizers.NFC()
trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=["<|endoftext|>"], show_progress=False,
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
cpu = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
before, spent = peak(), cpu()
start = time.perf_counter()
tokenizer.train_from_iterator(texts, trainer, length=len(texts))
seconds = time.perf_counter() - start
spent = cpu() - spent
tokenizer.save(out + "/hf.json")
print(json.dumps({"seconds": seconds, "cpuSeconds": spent, "loadedBytes": before, "peakBytes": peak(), "version": tokenizers.__version__}))
