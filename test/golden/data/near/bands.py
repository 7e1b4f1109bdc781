"""Best bands and rows for thresholds, integrals in closed form with exact fractions. Writes bands.json beside this file.

The integral of 1 - (1 - s^r)^b over [0, t] is -sum_{j=1..b} C(b, j) (-1)^j t^(rj+1) / (rj+1)."""
import json, math, pathlib, sys
from fractions import Fraction

CASES = [("0.5", 128), ("0.7", 128), ("0.75", 128), ("0.8", 128), ("0.9", 128), ("0.8", 256), ("0.6", 64), ("0.3", 32)]


def area(t, b, r):
    return -sum(math.comb(b, j) * (-1) ** j * t ** (r * j + 1) / (r * j + 1) for j in range(1, b + 1))


rows = []
for threshold, hashes in CASES:
    t = Fraction(threshold)
    best = None
    # Floats of 53 bits cannot add the alternating sums of many bands; the exact ones are slow, so near misses only.
    candidates = []
    for b in range(1, hashes + 1):
        for r in range(1, hashes // b + 1):
            n = 4000
            low = sum(1 - (1 - ((i + 0.5) / n * float(t)) ** r) ** b for i in range(n)) / n * float(t)
            w = 1 - float(t)
            high = sum((1 - (float(t) + (i + 0.5) / n * w) ** r) ** b for i in range(n)) / n * w
            candidates.append((low + high, b, r))
    candidates.sort()
    for _, b, r in candidates[:4]:
        below = area(t, b, r)
        missed = (1 - t) - (area(Fraction(1), b, r) - below)
        error = below + missed
        if best is None or error < best[0]:
            best = (error, b, r)
    rows.append({"threshold": float(t), "hashes": hashes, "bands": best[1], "rows": best[2], "error": float(best[0] / 2)})
out = pathlib.Path(__file__).with_name("bands.json")
out.write_text(json.dumps({"python": sys.version.split()[0], "cases": rows}, indent=1) + "\n")
