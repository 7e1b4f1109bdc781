"""What HF tokenizers' BpeTrainer learns, in many settings. Writes train.json.gz beside itself."""
import gzip, json, os, sys
import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from corpus import LISTS, training

GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
CASES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
split = lambda digits: pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(CASES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + TAIL), "isolated"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
PRE = {"gpt2": GPT2, "llama3": split(r"\p{N}{1,3}"), "qwen2": split(r"\p{N}")}

texts = {"mixed": training(), **{name: block.split("\n") for name, block in LISTS.items()}, "empty": []}
texts["nfc"] = ["e\u0301te\u0301 cafe\u0301 caf\u00e9 \u212b A\u030a", "e\u0301te\u0301"]
cases = []


def case(text, vocab_size, pre, special=("<|endoftext|>",), **options):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = PRE[pre], decoders.ByteLevel()
    if pre == "qwen2":
        t.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=list(special), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **options)
    t.train_from_iterator(texts[text], trainer)
    model = json.loads(t.to_str())["model"]
    cases.append({"text": text, "vocabSize": vocab_size, "pretokenizer": pre, "special": list(special), "options": options,
                  "tokens": sorted(model["vocab"], key=model["vocab"].get), "merges": model["merges"],
                  "ids": [t.encode(x).ids for x in texts[text]][:12]})


for pre in PRE:
    case("mixed", 1200, pre)
    case("mixed", 100000, pre, min_frequency=2)
for name in LISTS:
    case(name, 700, "gpt2")
case("chinese", 500, "llama3")
case("nfc", 400, "qwen2")
case("mixed", 900, "gpt2", special=("<|pad|>", "a", "the", "<|pad|>", "Ġ"))
case("mixed", 900, "gpt2", special=())
case("mixed", 2000, "gpt2", max_token_length=5)
case("mixed", 2000, "llama3", max_token_length=2)
case("mixed", 800, "gpt2", min_frequency=7)
case("empty", 400, "gpt2")
case("mixed", 257, "gpt2")
data = {"versions": {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__}, "texts": texts, "cases": cases}
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "train.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 9, mtime=0))
print([(c["text"], c["pretokenizer"], len(c["merges"])) for c in cases], os.path.getsize(out))
