"""What lm-evaluation-harness itself makes of two small tasks, for test/eval/lm-eval.test.ts.

Run: python lm_eval_tasks.py lm_eval.json

The model is a table instead of a network, so that both sides can compute it exactly: the logit of token t after token p is
3 sin(1.7 p + 2.3 t + 0.31 p t). Everything else is the harness: prompts, where context and continuation are split, rolling
windows, metrics, standard errors, results.json.
"""

import importlib.machinery
import importlib.metadata
import importlib.util
import json
import math
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

# Metrics that are not used here want packages that need not be there.
for name in ("evaluate", "sacrebleu", "rouge_score", "sklearn", "sklearn.metrics", "pytablewriter", "sqlitedict", "word2number", "more_itertools"):
    if importlib.util.find_spec(name.split(".")[0]) is None:
        sys.modules[name] = MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))

import lm_eval.evaluator
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

MAX_LENGTH = 16

choices_docs = [
    {"question": "The sky is", "choices": ["blue", "made of cheese"], "answer": 0},
    {"question": "Water boils at ", "choices": ["a hundred degrees", "ten", "minus five degrees"], "answer": 1},
    {"question": "Trailing newline\n", "choices": ["one", "two"], "answer": 1},
    {"question": "水是", "choices": ["湿的", "干的", "火"], "answer": 0},
    {"question": "A question much longer than the window of sixteen tokens that this model has, so its beginning is cut", "choices": ["yes", "no"], "answer": 0},
    {"question": "Emoji 🙂 here", "choices": ["🙂", "ok", "naïve"], "answer": 2},
    {"question": "Same", "choices": ["equal", "equal"], "answer": 1},
]
pages = [
    {"page": " A short page . \n"},
    {"page": "One  page with\tmany words, long enough that it does not fit into a single window of sixteen tokens at all."},
    {"page": "短い。 日本語 text"},
    {"page": "exactly"},
]

text = [d["question"] + " " + " ".join(d["choices"]) for d in choices_docs] + [d["page"] for d in pages]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train_from_iterator(text, trainers.BpeTrainer(vocab_size=320, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
VOCAB = tokenizer.get_vocab_size()


def log_probs(previous):
    logits = [3 * math.sin(1.7 * previous + 2.3 * t + 0.31 * previous * t) for t in range(VOCAB)]
    top = max(logits)
    total = top + math.log(sum(math.exp(x - top) for x in logits))
    return [x - total for x in logits]


class TableLM(TemplateLM):
    eot_token_id = 0
    prefix_token_id = 0
    max_length = MAX_LENGTH
    tokenizer_name = "table"

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        return tokenizer.encode(string).ids

    def score(self, context, continuation):
        ids = (context + continuation)[-(self.max_length + 1) :]
        total, greedy = 0.0, True
        for previous, token in list(zip(ids, ids[1:]))[-len(continuation) :]:
            row = log_probs(previous)
            total += row[token]
            greedy = greedy and max(range(VOCAB), key=row.__getitem__) == token
        return total, greedy

    def _loglikelihood_tokens(self, requests, **kwargs):
        return [self.score(context, continuation) for _, context, continuation in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        out = []
        for (string,) in [request.args for request in requests]:
            windows = get_rolling_token_windows(self.tok_encode(string), self.prefix_token_id, self.max_length, 1)
            out.append(sum(self.score(*make_disjoint_window(window))[0] for window in windows))
        return out

    def generate_until(self, requests, disable_tqdm=False):
        raise NotImplementedError


def word_results(doc, results):
    import re

    (loglikelihood,) = results
    words, size = len(re.split(r"\s+", doc["page"])), len(doc["page"].encode("utf-8"))
    return {"word_perplexity": (loglikelihood, words), "byte_perplexity": (loglikelihood, size), "bits_per_byte": (loglikelihood, size)}


with tempfile.TemporaryDirectory() as folder:
    files = {}
    for name, docs in (("choices", choices_docs), ("pages", pages)):
        files[name] = f"{folder}/{name}.jsonl"
        Path(files[name]).write_text("".join(json.dumps(doc) + "\n" for doc in docs))
    common = {"dataset_path": "json", "test_split": "train", "metadata": {"version": 1.0}}
    tasks = {
        "choices": ConfigurableTask(
            config={
                **common,
                "task": "choices",
                "dataset_kwargs": {"data_files": files["choices"]},
                "output_type": "multiple_choice",
                "doc_to_text": "{{question}}",
                "doc_to_choice": "{{choices}}",
                "doc_to_target": "answer",
                "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm", "acc_bytes")],
            }
        ),
        "pages": ConfigurableTask(
            config={
                **common,
                "task": "pages",
                "dataset_kwargs": {"data_files": files["pages"]},
                "output_type": "loglikelihood_rolling",
                "doc_to_text": "",
                "doc_to_target": "{{page}}",
                "process_results": word_results,
                "metric_list": [{"metric": m} for m in ("word_perplexity", "byte_perplexity", "bits_per_byte")],
            }
        ),
    }
    out = lm_eval.evaluator.evaluate(lm=TableLM(), task_dict=tasks, bootstrap_iters=100, log_samples=True)

lm = TableLM()
pairs = [(d["question"], " " + c) for d in choices_docs for c in d["choices"]] + [("a  ", "b"), ("tab\t", "x"), ("nbsp\u00a0", "x")]
fixture = {
    "versions": {"lm_eval": importlib.metadata.version("lm_eval"), "tokenizers": importlib.metadata.version("tokenizers")},
    "tokenizer": json.loads(tokenizer.to_str()),
    "max_length": MAX_LENGTH,
    "choices_docs": choices_docs,
    "pages": pages,
    "pairs": [[context, continuation, *lm._encode_pair(context, continuation)] for context, continuation in pairs],
    "windows": [
        [length, size, [list(map(list, make_disjoint_window(w))) for w in get_rolling_token_windows(list(range(1, length + 1)), 0, size, 1)]]
        for length, size in ((1, 4), (3, 4), (4, 4), (5, 4), (11, 4), (12, 5))
    ],
    "results": {task: {k: v for k, v in values.items()} for task, values in out["results"].items()},
    "n-samples": out["n-samples"],
    "top_level_keys": sorted(out),
    "sample_keys": {task: sorted(samples[0]) for task, samples in out["samples"].items()},
    "samples": {
        "choices": [{"resps": s["filtered_resps"], "acc": s["acc"], "acc_norm": s["acc_norm"], "acc_bytes": s["acc_bytes"]} for s in out["samples"]["choices"]],
        "pages": [{"resps": s["filtered_resps"], "word_perplexity": s["word_perplexity"], "byte_perplexity": s["byte_perplexity"]} for s in out["samples"]["pages"]],
    },
}
Path(sys.argv[1]).write_text(json.dumps(fixture, indent=1, ensure_ascii=False, default=str) + "\n")
