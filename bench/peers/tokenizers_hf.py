"""HF tokenizers on the documents of bench/tokenizer.mjs; started by it. usage: tokenizers_hf.py train|encode|encode-1 DOCS.json TOKENIZER.json VOCAB

Prints one JSON line: seconds, tokens, checksum, version."""
import json, os, sys, time

mode, docs_path, tokenizer_path, vocab = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
if mode == "encode-1":
    os.environ["RAYON_NUM_THREADS"] = "1"
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

docs = json.load(open(docs_path, encoding="utf-8"))
tokenizer = Tokenizer.from_file(tokenizer_path)
tokens = checksum = 0
if mode == "train":
    split = tokenizer.pre_tokenizer
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=["<|endoftext|>"], show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    start = time.perf_counter()
    tokenizer.train_from_iterator(docs, trainer)
    seconds = time.perf_counter() - start
    vocabulary = tokenizer.get_vocab()
    tokens = len(vocabulary)
    for token, id in vocabulary.items():
        checksum = (checksum + (id + 1) * len(token)) % 2**31
else:
    start = time.perf_counter()
    encodings = tokenizer.encode_batch_fast(docs)  # without offsets: the faster of the two
    seconds = time.perf_counter() - start
    for encoding in encodings:
        tokens += len(encoding.ids)
        for i, id in enumerate(encoding.ids):
            checksum = (checksum + (i + 1) * (id + 1)) % 2**31
print(json.dumps({"seconds": seconds, "tokens": tokens, "checksum": checksum, "version": tokenizers.__version__}))
