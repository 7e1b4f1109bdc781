"""What HF tokenizers' BpeTrainer learns from random small corpora. Writes train-fuzz.json.gz beside itself.

usage: train_fuzz.py [SEED] [CORPORA] [OUT]"""
import gzip, json, os, random, sys
import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from corpus import AWKWARD, CHINESE, ENGLISH, RANGES, fuzz, zipf

CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
split = lambda digits: pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(CASES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + TAIL), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
PRE = {"gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False), "llama3": split(r"\p{N}{1,3}"), "qwen2": split(r"\p{N}")}


def texts(rng):
    """Few letters in long words make ties, overlaps (aaaa) and strings with two derivations; the others are like text."""
    kind = rng.randrange(5)
    word = lambda letters, longest: "".join(rng.choice(letters) for _ in range(rng.randint(1, longest)))
    if kind == 0:
        return [" ".join(word("ab", 12) for _ in range(rng.randint(1, 40))) for _ in range(rng.randint(1, 8))]
    if kind == 1:
        return [" ".join(word("abcde中文", 9) for _ in range(30)) for _ in range(rng.randint(1, 10))]
    if kind == 2:
        words = [word("etaoinshr", 8) for _ in range(60)]
        return [zipf(rng, words, 60) for _ in range(12)]
    if kind == 3:
        return [zipf(rng, ENGLISH.split() + CHINESE.split(), 50) for _ in range(12)]
    return [fuzz(rng) for _ in range(12)] + rng.sample(AWKWARD, 12)


def case(rng):
    options = {}
    if rng.random() < 0.5:
        options["min_frequency"] = rng.choice([0, 1, 2, 3, 5, 20, 1000])
    if rng.random() < 0.5:
        options["max_token_length"] = rng.choice([2, 3, 4, 5, 7, 10, 16])
    special = rng.choice([[], ["<s>"], ["<s>", "</s>", "<s>"], ["a", "ab", "the", "Ġ", "aa"]])
    return {"texts": texts(rng), "pretokenizer": rng.choice(list(PRE)), "special": special, "options": options,
            "vocabSize": 256 + len(set(special)) + rng.choice([0, 1, 5, 40, 200, 3000])}


def train(c):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = PRE[c["pretokenizer"]]
    if c["pretokenizer"] == "qwen2":
        t.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(vocab_size=c["vocabSize"], special_tokens=c["special"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **c["options"])
    t.train_from_iterator(c["texts"], trainer)
    model = json.loads(t.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {"merges": model["merges"], "tokens": tokens}


def letters(seed, count):
    """Words of equally frequent letters: so many pairs that few merges come late, drawn so that a test can draw them too."""
    text = ""
    for _ in range(count):
        seed = seed * 48271 % 2147483647
        text += "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "[seed % 53]
    return text


seed, wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 7, int(sys.argv[2]) if len(sys.argv) > 2 else 60
rng = random.Random(seed)
cases = [case(rng) for _ in range(wanted)]
for extra in [1, 2, 8, 30, 300, 3000]:
    drawn = {"seed": 1000 + extra, "count": 30000}
    for options in [{}, {"max_token_length": 4, "min_frequency": 2}]:
        # (qz, qz) would be too long, also where pairs are counted anew.
        both = [letters(**drawn), "qzqz." * 900]
        cases.append({"texts": both, "drawn": drawn, "pretokenizer": "gpt2", "special": ["<s>"], "options": options, "vocabSize": 257 + extra})
for c in cases:
    model = train(c)
    if train(c) != model:
        sys.exit("HF's training differs from run to run")
    c |= {"merges": model["merges"], "tokens": model["tokens"][-len(model["merges"]) - 1:]}
    if "drawn" in c:
        del c["texts"]
data = {"versions": {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__}, "cases": cases}
out = sys.argv[3] if len(sys.argv) > 3 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "train-fuzz.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 9, mtime=0))
reused = sum(len(set(a + b for a, b in c["merges"])) < len(c["merges"]) for c in cases)
print(f"{len(cases)} corpora, {sum(len(c['merges']) for c in cases)} merges, {reused} with a string made twice, {os.path.getsize(out)} bytes")
