"""HF tokenizers on the documents of bench/encode.mjs, with RAYON_NUM_THREADS threads; started by it. usage: encode_hf.py TOKENIZER.json FILE.jsonl

Prints one JSON line: seconds and CPU seconds of encode_batch and of encode_batch_fast (no offsets), each with a fresh tokenizer, tokens, digest, version."""
import hashlib, json, sys, time
import numpy, tokenizers
from tokenizers import Tokenizer

docs = [json.loads(line)["text"] for line in open(sys.argv[2], encoding="utf-8", newline="\n")]
methods = {}
for method in ("encode_batch", "encode_batch_fast"):
    tokenizer = Tokenizer.from_file(sys.argv[1])
    encodings = None  # what the other method made is freed before the clock runs
    start, cpu = time.perf_counter(), time.process_time()
    encodings = getattr(tokenizer, method)(docs, add_special_tokens=False)
    methods[method] = {"seconds": time.perf_counter() - start, "cpuSeconds": time.process_time() - cpu}
tokens, digest = 0, hashlib.sha256()
for encoding in encodings:
    ids = numpy.array(encoding.ids, dtype="<i4")
    tokens += len(ids)
    digest.update(hashlib.sha256(ids.tobytes()).hexdigest().encode())
print(json.dumps({"methods": methods, "tokens": tokens, "digest": digest.hexdigest(), "version": tokenizers.__version__}))
