/** What a wrong match and a missed one cost, each as its area under or over the curve. */
export interface ErrorWeights {
  falsePositive: number;
  falseNegative: number;
}

const STEPS = 512;

/** Probability that two texts of Jaccard similarity `s` match in at least one band: 1 - (1 - s^rows)^bands. */
export function matchProbability(s: number, bands: number, rows: number): number {
  return 1 - (1 - s ** rows) ** bands;
}

/**
 * Bands and rows whose match probability is nearest to a step at `threshold`: of all splits of at most `hashes` hash
 * values the one with the least weighted sum of the probability below the threshold and the missing probability above
 * it, similarities taken as equally likely (Zhu, Nargesian, Pu and Miller, LSH Ensemble, 2016). Both errors weigh the
 * same unless `weights` says otherwise. Of equal splits the one with fewer bands, which costs less.
 *
 * @param threshold Jaccard similarity, above 0 and below 1.
 * @param hashes hash values a text may have, 128 by default.
 */
export function bandsForThreshold(
  threshold: number,
  hashes = 128,
  weights: ErrorWeights = { falsePositive: 0.5, falseNegative: 0.5 },
): { bands: number; rows: number } {
  let best = { bands: 1, rows: 1 };
  let least = Infinity;
  for (let bands = 1; bands <= hashes; bands++) {
    for (let rows = 1; rows * bands <= hashes; rows++) {
      const wrong = integral((s) => matchProbability(s, bands, rows), 0, threshold);
      const missed = integral((s) => 1 - matchProbability(s, bands, rows), threshold, 1);
      const error = weights.falsePositive * wrong + weights.falseNegative * missed;
      if (error >= least) continue;
      least = error;
      best = { bands, rows };
    }
  }
  return best;
}

/** By the midpoint rule: good to 1e-5 for these curves, which is less than splits differ by. */
function integral(f: (s: number) => number, from: number, to: number): number {
  const width = (to - from) / STEPS;
  let sum = 0;
  for (let i = 0; i < STEPS; i++) sum += f(from + (i + 0.5) * width);
  return sum * width;
}
