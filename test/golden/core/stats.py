"""Statistics by scipy, for test/core/stats.test.ts. Run: python stats.py > stats.json"""

import json

import numpy as np
import scipy
from scipy import special, stats

rng = np.random.default_rng(0)
values = rng.normal(0.1, 1.0, 37)
out = {
    "versions": {"scipy": scipy.__version__, "numpy": np.__version__},
    "values": values.tolist(),
    "mean": values.mean(),
    "sampleDeviation": values.std(ddof=1),
    "standardError": stats.sem(values),
    "quantiles": [[p, float(np.quantile(values, p))] for p in (0, 0.05, 0.5, 0.77, 1)],
    "upperBound95": float(values.mean() + stats.t.ppf(0.95, 36) * stats.sem(values)),
    "studentQuantile": [[p, d, float(stats.t.ppf(p, d))] for p in (0.01, 0.5, 0.9, 0.95, 0.999) for d in (1, 2, 7, 36, 1000)],
    "incompleteBeta": [[x, a, b, float(special.betainc(a, b, x))] for x in (0.01, 0.3, 0.5, 0.97) for a, b in ((0.5, 0.5), (3, 8), (40, 2), (200, 180))],
    "logGamma": [[x, float(special.gammaln(x))] for x in (0.1, 0.5, 1, 2.5, 10, 171.3, 4000)],
    "mcnemar": [
        [b, c, float(stats.binomtest(b, b + c, 0.5, alternative="greater").pvalue)]
        for b, c in ((1, 0), (5, 1), (12, 3), (30, 30), (3, 12), (120, 90))
    ],
    "wilson": [
        [k, n, *map(float, stats.binomtest(k, n).proportion_ci(method="wilson"))] for k, n in ((0, 10), (7, 10), (80, 100), (1, 1), (500, 3000))
    ],
}
print(json.dumps(out, indent=1))
