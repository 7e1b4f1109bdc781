"""Ids and texts from HF tokenizers for one small vocabulary under many configurations. Writes encode.json.gz beside itself."""
import copy, gzip, json, os, sys
import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from corpus import texts as corpus_texts, training

base = Tokenizer(models.BPE())
base.pre_tokenizer, base.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
base.train_from_iterator(training(), trainers.BpeTrainer(
    vocab_size=900, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
BASE = json.loads(base.to_str())

CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+|"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3, QWEN2 = CASES + WORDS + r"\p{N}{1,3}" + TAIL, CASES + WORDS + r"\p{N}" + TAIL
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PUNCT = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
CJK = "[一-龥ぁ-ゟァ-ヿ]+"


def split(regex, behavior="Isolated", invert=False, string=None):
    return {"type": "Split", "pattern": {"String": string} if string else {"Regex": regex}, "behavior": behavior, "invert": invert}


def byte_level(use_regex, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": use_regex}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def added(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True, **flags}


BOS = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}],
       "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
       "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}, "<|im_end|>": {"id": "<|im_end|>", "ids": [2], "tokens": ["<|im_end|>"]}}}
TRIM = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
MORE = BASE["added_tokens"] + [
    added(900, "<tool>", lstrip=True, rstrip=True, special=False), added(901, "word", single_word=True, special=False, normalized=True),
    added(902, "[MASK]", lstrip=True), added(BASE["model"]["vocab"]["é"], "é", normalized=True, special=False), added(903, "<|im_end|>!", special=False), added(904, " 中文 token", special=False)]

variants = {
    "gpt2": {},
    "llama3": {"pre_tokenizer": sequence(split(LLAMA3), byte_level(False)), "post_processor": {"type": "Sequence", "processors": [TRIM, BOS]}, "model.ignore_merges": True},
    "qwen2": {"pre_tokenizer": sequence(split(QWEN2), byte_level(False)), "normalizer": {"type": "NFC"}},
    "cl100k with possessive quantifiers": {"pre_tokenizer": sequence(split(CL100K), byte_level(False))},
    "o200k": {"pre_tokenizer": sequence(split(O200K), byte_level(False)), "post_processor": BOS},
    "digits, script runs and punctuation": {"pre_tokenizer": sequence(split(r"\p{N}{1,3}"), split(CJK), split(PUNCT), byte_level(False))},
    "single digits, then gpt2": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True}, byte_level(True))},
    "runs of digits": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": False}, byte_level(True))},
    "a space put before": {"pre_tokenizer": byte_level(True, True), "post_processor": {"type": "RobertaProcessing", "sep": ["<|im_end|>", 2], "cls": ["<|endoftext|>", 0], "trim_offsets": True, "add_prefix_space": True}},
    "no pattern at all": {"pre_tokenizer": byte_level(False)},
    "many kinds of added tokens": {"added_tokens": MORE, "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFD"}]}},
    "split: removed": {"pre_tokenizer": sequence(split(r"\s+", "Removed"), byte_level(False))},
    "split: merged with previous": {"pre_tokenizer": sequence(split(None, "MergedWithPrevious", string=" "), byte_level(False))},
    "split: merged with next": {"pre_tokenizer": sequence(split(r"[\p{P}\s]", "MergedWithNext"), byte_level(False))},
    "split: contiguous, inverted": {"pre_tokenizer": sequence(split(r"\w", "Contiguous", True), byte_level(False))},
    "bytes missing, unknown token": {"drop": 40, "model.unk_token": "<|im_start|>"},
    "bytes missing, unknown fused": {"drop": 40, "model.unk_token": "<|im_start|>", "model.fuse_unk": True},
    "bytes missing, dropped": {"drop": 40},
    "rare syntax": {"pre_tokenizer": sequence(split(r"(?>ab|a)b|\h{2,}+|x{,2}y|\W{1,2}?|\x{41}|\u0042|^t|s$|(?i:the|[kq]u)|\p{^L}|\P{Lu}(?=a)|(?<=b)a"), byte_level(False))},
    "merges as strings": {"merges_as_strings": True},
}


def apply(patch):
    t = copy.deepcopy(BASE)
    for key, value in patch.items():
        if key.startswith("model."):
            t["model"][key[6:]] = value
        elif key == "drop":  # the last bytes of the alphabet, and the merges that need them
            vocab, gone = t["model"]["vocab"], set(sorted((k for k in t["model"]["vocab"] if len(k) == 1))[-value:])
            keep = lambda token: not set(token) & gone
            t["model"]["merges"] = [m for m in t["model"]["merges"] if keep(m[0]) and keep(m[1])]
            kept = [k for k in sorted(vocab, key=vocab.get) if keep(k)]
            t["model"]["vocab"] = {k: i for i, k in enumerate(kept)}
        elif key == "merges_as_strings":
            t["model"]["merges"] = [" ".join(m) for m in t["model"]["merges"]]
        else:
            t[key] = value
    return t


texts = corpus_texts()
cases = []
for name, patch in variants.items():
    some = texts if name in ("gpt2", "llama3", "qwen2", "many kinds of added tokens") else texts[::5]
    t = Tokenizer.from_str(json.dumps(apply(patch)))
    ids = [t.encode(x, add_special_tokens=False).ids for x in some]
    decoded = [t.decode(i, skip_special_tokens=False) for i in ids]
    cases.append({"name": name, "patch": patch, "step": 1 if some is texts else 5, "ids": ids,
                  "framed": t.encode("a b", add_special_tokens=True).ids,
                  # Only where the text does not come back as it was.
                  "decoded": {k: d for k, (d, x) in enumerate(zip(decoded, some)) if d != x},
                  "skipped": {k: s for k, i in enumerate(ids) if (s := t.decode(i, skip_special_tokens=True)) != decoded[k]}})
broken = [[i, i + 1, 200, 131, 5, 250, 99 + i] for i in range(3, 250, 7)]  # bytes that are no UTF-8
t = Tokenizer.from_str(json.dumps(BASE))
data = {"versions": {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__}, "base": BASE, "texts": texts, "cases": cases,
        "broken": [{"ids": b, "text": t.decode(b, skip_special_tokens=False)} for b in broken]}
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "encode.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 9, mtime=0))
print(len(texts), [(c["name"], len(c["decoded"]), len(c["skipped"])) for c in cases], os.path.getsize(out))
