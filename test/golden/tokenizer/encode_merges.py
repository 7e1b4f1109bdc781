"""Ids from HF tokenizers for vocabularies whose merges no training would give, for digits apart, for new characters.

Merges in any order, several that make one token, merges across the bytes of characters. Writes encode-merges.json.gz."""
import gzip, json, os, random, sys
import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
PRINTABLE = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
CHARS = {b: chr(b) for b in PRINTABLE} | {b: chr(0x100 + i) for i, b in enumerate(b for b in range(256) if b not in PRINTABLE)}
LETTERS = ["a", "b", "c", "é", "中", "丸", "的", "𠮷", " "]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def spelled(text):
    return "".join(CHARS[b] for b in text.encode())


def table(rng):
    """Merges of tokens that are there already, drawn from pieces of text; then some moved to another rank."""
    tokens, merges = {spelled(c)[i] for c in LETTERS for i in range(len(spelled(c)))}, []
    for _ in range(rng.randint(10, 90)):
        text = spelled("".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 4))))
        if rng.random() < 0.6:  # within or at the edges of a character
            start = rng.randrange(len(text))
            text = (text + text)[start : start + rng.randint(2, 4)]
        cuts = [k for k in range(1, len(text)) if text[:k] in tokens and text[k:] in tokens]
        if not cuts:  # make it from its first bytes upwards
            for k in range(2, len(text) + 1):
                if text[:k] not in tokens and text[: k - 1] in tokens and text[k - 1] in tokens:
                    merges.append((text[: k - 1], text[k - 1]))
                    tokens.add(text[:k])
            continue
        k = rng.choice(cuts)
        if (text[:k], text[k:]) not in merges:
            merges.append((text[:k], text[k:]))
            tokens.add(text)
    for _ in range(rng.choice([0, 0, 4])):  # a pair twice
        merges.insert(rng.randrange(len(merges)), rng.choice(merges))
    for _ in range(rng.choice([0, 0, 1, 3, len(merges)])):
        merges.insert(rng.randrange(len(merges)), merges.pop(rng.randrange(len(merges))))
    return merges


def tokenizer_json(merges, ignore_merges, rng):
    made = sorted({a + b for a, b in merges})
    rng.shuffle(made)
    vocab = {token: i for i, token in enumerate(ALPHABET + made)}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": BYTE_LEVEL,
            "post_processor": None, "decoder": {**BYTE_LEVEL, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": ignore_merges, "vocab": vocab, "merges": [list(m) for m in merges]}}


rng = random.Random(11)
cases = []
for i in range(60):
    data = tokenizer_json(table(rng), i % 4 == 3, rng)
    t = Tokenizer.from_str(json.dumps(data))
    texts = ["".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 14))) for _ in range(40)]
    texts += ["".join(rng.choice(LETTERS[: rng.randint(1, 9)]) for _ in range(rng.choice([60, 200]))) for _ in range(4)]
    cases.append({"merges": data["model"]["merges"], "made": list(data["model"]["vocab"])[256:], "ignoreMerges": i % 4 == 3, "texts": texts,
                  "ids": [t.encode(x).ids for x in texts]})

# Marks, letters that compose and decompose, and such that came after Unicode 9.
POINTS = list(range(0x300, 0x340)) + [0x7FD, 0x898, 0x8CA, 0x9FE, 0xC3C, 0xD3B, 0xEBA, 0x1AC1, 0x1ACC, 0x1DF6, 0x1DFA, 0x32FF, 0xA7F2, 0xAB69, 0x10781, 0x10D24,
          0x10D69, 0x10EFB, 0x11938, 0x11930, 0x11935, 0x11F41, 0x1E4EC, 0x1E5EE, 0x16121, 0x113C5, 0x113C2, 0x1CCD6, 0x1FBF0, 0x1E08F, 0x9C7, 0x9BE, 0x212B, 0xFB01,
          0x2126, 0x1100, 0x1161, 0x11A8] + [ord(c) for c in "aeioqéÅfiㄱ가각中"]
texts = ["".join(chr(rng.choice(POINTS)) for _ in range(rng.randint(1, 12))) for _ in range(500)]
forms = {form: [getattr(normalizers, form)().normalize_str(x) for x in texts] for form in ("NFC", "NFD", "NFKC", "NFKD")}
# Digits apart, then GPT-2's pattern (SmolLM): white space and marks around numbers of several scripts and ages.
NUMBERS = ["1", "23", "٣", "Ⅷ", "½", "𝟙", "\U00011de0", "\U00016ff4", "一"]
AROUND = [" ", "  ", "\n", " \n ", "\t", "\u00a0", "\u3000", "a", "don't", "'s", "'", "-", "--", "中文", "，", "😂"]
mixed = ["".join(rng.choice(NUMBERS if rng.random() < 0.4 else AROUND) for _ in range(rng.randint(1, 14))) for _ in range(600)]
t = Tokenizer(models.BPE())
t.decoder = decoders.ByteLevel()
# Trained without the digits apart: a space that belongs to a number would show.
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
t.train_from_iterator(mixed, trainers.BpeTrainer(vocab_size=420, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
digits = {"json": json.loads(t.to_str()), "texts": mixed, "ids": [t.encode(x).ids for x in mixed]}
data = {"versions": {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__}, "bytes": ALPHABET, "cases": cases, "texts": texts, "forms": forms, "digits": digits}
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "encode-merges.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 9, mtime=0))
print(len(cases), sum(len(c["merges"]) for c in cases), os.path.getsize(out))
