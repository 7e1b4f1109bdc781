"""MinHash-LSH in numpy, started by bench/near-dup.mjs. usage: near_dup_numpy.py DOCUMENTS.jsonl OUT PROCESSES [mod]

14 bands of 8, shingles of 5 words, uint64 hashes. Everything that numpy can do at once is done at once: words are hashed
once each and looked up in a dict, the shingles of many documents are hashed together and each of the 112 functions goes
over all of them in one pass, bands are grouped by sorting, clusters found by array operations. `mod` takes the hash
functions modulo 2^61 - 1 as datatrove does, which is slower; without it they are multiply-add modulo 2^64.
Prints one JSON line: seconds, peakMB, version."""
import json, multiprocessing, os, re, resource, sys, time, unicodedata
import numpy as np

BANDS, ROWS, NGRAM = 14, 8, 5
HASHES = BANDS * ROWS
# Shingles at a time: the array of their hashes stays in the second-level cache.
BATCH = 1 << 15
PRIME = np.uint64((1 << 61) - 1)
UNSPACED = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x318F), (0x31A0, 0x31FF),
            (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF)]
ZEROS = re.compile("00+")
try:
    import xxhash

    def hash_word(word):
        return xxhash.xxh64_intdigest(word.encode("utf-8", "surrogatepass"))
except ImportError:
    import hashlib

    def hash_word(word):
        return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Fold(dict):
    """What each character becomes, worked out when it is met first."""

    def __missing__(self, code):
        folded = ""
        for char in unicodedata.normalize("NFD", chr(code).lower()):
            kind = unicodedata.category(char)
            if kind in ("Mn", "Me", "Cf"):
                continue
            folded += "0" if kind[0] == "N" else char if kind[0] == "L" or kind == "Mc" else " "
        if any(a <= code <= b for a, b in UNSPACED):
            folded = f" {folded} "
        self[code] = folded
        return folded


class Words(dict):
    def __missing__(self, word):
        value = self[word] = hash_word(word)
        return value


fold, words = Fold(), Words()


def sign(task):
    path, start, end, mod = task
    random = np.random.RandomState(1)
    a = random.randint(1, int(PRIME), dtype=np.uint64, size=HASHES) | np.uint64(1)
    b = random.randint(0, int(PRIME), dtype=np.uint64, size=HASHES)
    signatures, present = [], []
    hashes, lengths, size = [], [], 0
    look = words.__getitem__

    def flush():
        nonlocal hashes, lengths, size
        if not lengths:
            return
        # A document of fewer words than a shingle is one shingle: zeros make it long enough.
        flat = np.fromiter(hashes, np.uint64, len(hashes))
        counts = np.array(lengths)
        ends = np.cumsum(counts)
        shingles = np.zeros(len(flat) - NGRAM + 1, np.uint64)
        for i in range(NGRAM):
            shingles *= np.uint64(0x9E3779B97F4A7C15)
            shingles += flat[i : len(flat) - NGRAM + 1 + i]
        shingles ^= shingles >> np.uint64(29)
        shingles *= np.uint64(0xBF58476D1CE4E5B9)
        shingles ^= shingles >> np.uint64(32)
        inside = np.ones(len(shingles), bool)
        for i in range(1, NGRAM):
            inside[(ends[:-1] - i)] = False
        shingles = shingles[inside]
        starts = np.concatenate(([0], np.cumsum(counts - NGRAM + 1)[:-1]))
        out = np.empty((HASHES, len(counts)), np.uint64)
        work = np.empty_like(shingles)
        for i in range(HASHES):
            np.multiply(shingles, a[i], out=work)
            np.add(work, b[i], out=work)
            if mod:
                np.remainder(work, PRIME, out=work)
            np.minimum.reduceat(work, starts, out=out[i])
        # A 64-bit hash for each band.
        bands = np.zeros((BANDS, len(counts)), np.uint64)
        for row in range(ROWS):
            bands ^= out[row::ROWS]
            bands *= np.uint64(0x9E3779B97F4A7C15)
            bands ^= bands >> np.uint64(32)
        signatures.append(bands)
        hashes, lengths, size = [], [], 0

    with open(path, "rb") as file:
        if start > 0:
            file.seek(start - 1)
            file.readline()
        while file.tell() < end:
            line = file.readline()
            if not line:
                break
            text = json.loads(line)["text"].translate(fold)
            if "00" in text:
                text = ZEROS.sub("0", text)
            found = text.split()
            present.append(len(found) > 0)
            if not found:
                continue
            values = list(map(look, found))
            if len(values) < NGRAM:
                values += [0] * (NGRAM - len(values))
            hashes += values
            lengths.append(len(values))
            size += len(values)
            if size >= BATCH:
                flush()
        flush()
    return (np.concatenate(signatures, axis=1) if signatures else np.zeros((BANDS, 0), np.uint64)), np.array(present, bool)


def cpu_seconds():
    return sum(os.times()[:4])


def main(path, out, processes, mod):
    start, cpu = time.perf_counter(), cpu_seconds()
    size = os.path.getsize(path)
    tasks = [(path, size * i // processes, size * (i + 1) // processes, mod) for i in range(processes)]
    with multiprocessing.Pool(processes) as pool:
        parts = pool.map(sign, tasks, 1)
    signed = time.perf_counter()
    bands = np.concatenate([part[0] for part in parts], axis=1)
    present = np.concatenate([part[1] for part in parts])
    rows = np.flatnonzero(present)
    edges = []
    for keys in bands:
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        new = np.concatenate(([True], keys[1:] != keys[:-1]))
        first = order[np.flatnonzero(new)[np.cumsum(new) - 1]]
        edges.append(np.stack([first[~new], order[~new]]))
    edges = rows[np.concatenate(edges, axis=1)]
    edges = np.unique(edges[0].astype(np.int64) << 32 | edges[1])
    edges = np.stack([edges >> 32, edges & 0xFFFFFFFF])
    roots = np.arange(len(present))
    while True:
        before = roots
        low = np.minimum(roots[edges[0]], roots[edges[1]])
        roots = roots.copy()
        for side in edges:
            np.minimum.at(roots, before[side], low)
            np.minimum.at(roots, side, low)
        roots = roots[roots]
        if np.array_equal(roots, before):
            break
    end, cpu = time.perf_counter(), cpu_seconds() - cpu
    roots.astype(np.uint32).tofile(out + ".roots")
    edges.T.astype(np.uint32).tofile(out + ".edges")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + processes * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    parts = f"read and sign {signed - start:.2f} s, bands and clusters {end - signed:.2f} s"
    print(json.dumps({"seconds": end - start, "cpuSeconds": cpu, "peakMB": peak / 1000, "version": np.__version__, "parts": parts}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), "mod" in sys.argv[4:])
