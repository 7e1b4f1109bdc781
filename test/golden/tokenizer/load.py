"""Tokenizer folders as transformers writes and reads them: configurations, ids with special tokens, a Unigram tokenizer
for the library path. Writes load.json.gz beside itself."""
import gzip, json, os, sys, tempfile
import tokenizers, transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from corpus import ENGLISH, CHINESE, training

TEXTS = ["", "Hello world", "中文 text<eos> more", ENGLISH.split("\n")[0], CHINESE.split("\n")[0], "  two  spaces\n"]


def bpe(**changes):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    t.train_from_iterator(training(), trainers.BpeTrainer(vocab_size=400, special_tokens=["<bos>", "<eos>", "<pad>"], show_progress=False,
                                                          initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.train_from_iterator(training(), trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>", "<bos>", "<eos>", "<pad>"], unk_token="<unk>", show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return t


cases = []


def case(name, tokenizer, config, files=()):
    with tempfile.TemporaryDirectory() as dir:
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>").save_pretrained(dir)
        written = json.load(open(os.path.join(dir, "tokenizer_config.json")))
        if config is not None:
            config = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
            json.dump(config, open(os.path.join(dir, "tokenizer_config.json"), "w"))
        for file, content in files:
            open(os.path.join(dir, file), "w").write(content)
        t = AutoTokenizer.from_pretrained(dir)
        ids = [t.encode(x) for x in TEXTS]
        cases.append({"name": name, "config": config or written, "files": dict(files), "tokenizer": name.split(":")[0],
                      "bos": t.bos_token_id, "eos": t.eos_token_id, "pad": t.pad_token_id, "ids": ids,
                      "plain": [t.encode(x, add_special_tokens=False) for x in TEXTS],
                      "decoded": [t.decode(i, skip_special_tokens=True, clean_up_tokenization_spaces=False) for i in ids],
                      "chat": t.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) if t.chat_template else None})


framed = bpe()
framed.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 0)])])
obj = lambda content: {"__type": "AddedToken", "content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
case("bpe: transformers 5 files", bpe(), None)
case("bpe: tokens as objects", bpe(), {"bos_token": obj("<bos>"), "eos_token": obj("<eos>"), "pad_token": None, "model_max_length": 512})
case("bpe: tokens in special_tokens_map.json", bpe(), {}, [("special_tokens_map.json", json.dumps({"bos_token": {"content": "<bos>"}, "eos_token": "<eos>"}))])
case("bpe: add_bos_token and add_eos_token", bpe(), {"bos_token": "<bos>", "eos_token": "<eos>", "add_bos_token": True, "add_eos_token": True})
case("bpe: chat template in the configuration", bpe(), {"bos_token": "<bos>", "chat_template": "{{ bos_token }}C{% for m in messages %}{{ m.content }}{% endfor %}"})
case("bpe: chat template in its file wins", bpe(), {"bos_token": "<bos>", "chat_template": "no"}, [("chat_template.jinja", "{{ bos_token }}F{% for m in messages %}{{ m.content }}{% endfor %}")])
case("bpe: several chat templates", bpe(), {"bos_token": "<bos>", "chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "D{{ messages[0].content }}"}]})
case("framed: a template with bos", framed, None)
case("framed: add_bos_token false", framed, {"bos_token": "<bos>", "add_bos_token": False})
UNIGRAM = unigram()  # trained once: HF's Unigram training differs from run to run
case("unigram: through the library", UNIGRAM, None)
data = {"versions": {"python": sys.version.split()[0], "tokenizers": tokenizers.__version__, "transformers": transformers.__version__}, "texts": TEXTS,
        "tokenizers": {"bpe": json.loads(bpe().to_str()), "framed": json.loads(framed.to_str()), "unigram": json.loads(UNIGRAM.to_str())}, "cases": cases}
out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.json.gz")
open(out, "wb").write(gzip.compress(json.dumps(data, ensure_ascii=False).encode(), 9, mtime=0))
print([(c["name"], c["bos"], c["eos"], c["pad"], c["ids"][1][:4], c["chat"]) for c in cases], os.path.getsize(out))
