"""datatrove's MinHash pipeline, started by bench/near-dup.mjs. usage: near_dup_datatrove.py DOCUMENTS.jsonl OUT PROCESSES PATHS

PATHS go in front of sys.path, for a datatrove that is not installed: the src folder of its repository, and whatever it
imports that is missing. Signatures, buckets and clusters run as its documentation shows, with as many processes as llmkit
has threads; the last stage, which writes the kept documents, is left out. Words are split by a regular expression, Han
and kana by character: its own choice, spaCy with jieba, takes several times longer. Not timed: dividing the documents
into one file a process. Prints one JSON line: seconds, peakMB, version."""
import json, os, re, resource, struct, sys, time, types

path, out, processes = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path[:0] = sys.argv[4].split(os.pathsep)
import xxhash

if int(xxhash.VERSION.split(".")[0]) >= 4:
    # datatrove asks for xxhash below 4, which takes str.
    digest = xxhash.xxh64_intdigest
    xxhash.xxh64_intdigest = lambda data, seed=0: digest(data.encode() if isinstance(data, str) else data, seed)
try:
    import orjson
except ImportError:
    # Its reader wants orjson. The standard library's json is slower, by a hundredth of what a run takes.
    stand_in = types.ModuleType("orjson")
    stand_in.loads, stand_in.JSONDecodeError = json.loads, json.JSONDecodeError
    sys.modules["orjson"] = stand_in
    import datatrove.utils._import_utils as dependencies

    dependencies.check_required_dependencies = lambda *_: None
os.environ["DATATROVE_COLORIZE_LOGS"] = "0"
from loguru import logger

logger.remove()
logger.configure(handlers=[])
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster
from datatrove.pipeline.readers import JsonlReader
from datatrove.utils.word_tokenizers import WordTokenizer

CJK = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"


class Words(WordTokenizer):
    pattern = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")

    def word_tokenize(self, text):
        return self.pattern.findall(text)

    def sent_tokenize(self, text):
        raise NotImplementedError

    span_tokenize = sent_tokenize


def main():
    work = out + ".work"
    os.makedirs(f"{work}/input")
    shards, offsets = [open(f"{work}/input/{i:05d}.jsonl", "wb") for i in range(processes)], [0]
    size, written, shard = os.path.getsize(path), 0, 0
    rows = 0
    for line in open(path, "rb"):
        if written >= size * (shard + 1) / processes:
            shard += 1
            offsets.append(rows)
        shards[shard].write(line)
        written += len(line)
        rows += 1
    for file in shards:
        file.close()

    config = MinhashConfig(num_buckets=14, hashes_per_bucket=8, n_grams=5)
    common = {"start_method": "fork", "skip_completed": False}
    start, cpu = time.perf_counter(), sum(os.times()[:4])
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(f"{work}/input"),
            MinhashDedupSignature(output_folder=f"{work}/signatures", config=config, language=Words()),
        ],
        tasks=processes, workers=processes, logging_dir=f"{work}/logs1", **common,
    ).run()
    signed = time.perf_counter()
    LocalPipelineExecutor(
        pipeline=[MinhashDedupBuckets(input_folder=f"{work}/signatures", output_folder=f"{work}/buckets", config=config)],
        tasks=14, workers=processes, logging_dir=f"{work}/logs2", **common,
    ).run()
    LocalPipelineExecutor(
        pipeline=[MinhashDedupCluster(input_folder=f"{work}/buckets", output_folder=f"{work}/remove", config=config)],
        tasks=1, logging_dir=f"{work}/logs3", **common,
    ).run()
    seconds, cpu = time.perf_counter() - start, sum(os.times()[:4]) - cpu

    pairs = set()
    for name in os.listdir(f"{work}/buckets"):
        data = open(f"{work}/buckets/{name}", "rb").read()
        for f1, d1, f2, d2 in struct.iter_unpack("<4I", data):
            a, b = offsets[f1] + d1, offsets[f2] + d2
            pairs.add((min(a, b), max(a, b)))
    roots = list(range(rows))

    def find(x):
        while roots[x] != x:
            roots[x] = roots[roots[x]]
            x = roots[x]
        return x

    for a, b in pairs:
        a, b = sorted((find(a), find(b)))
        roots[b] = a
    struct_rows = [find(row) for row in range(rows)]
    removed = sum(os.path.getsize(f"{work}/remove/{name}") // 4 for name in os.listdir(f"{work}/remove") if name.endswith(".remove"))
    kept = sum(row == root for row, root in enumerate(struct_rows))
    assert kept == rows - removed, (kept, rows, removed)
    open(out + ".roots", "wb").write(struct.pack(f"<{rows}I", *struct_rows))
    open(out + ".edges", "wb").write(struct.pack(f"<{2 * len(pairs)}I", *[x for pair in sorted(pairs) for x in pair]))
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    parts = f"read and sign {signed - start:.2f} s, buckets and clusters {seconds - (signed - start):.2f} s"
    print(json.dumps({"seconds": seconds, "cpuSeconds": cpu, "peakMB": peak / 1000, "parts": parts}))


if __name__ == "__main__":
    main()
