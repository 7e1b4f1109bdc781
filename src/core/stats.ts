import type { Random } from './random.ts';

/** Arithmetic mean; NaN for no values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** Sample standard deviation (divided by n - 1); 0 for fewer than two values. */
export function sampleDeviation(values: ArrayLike<number>): number {
  if (values.length < 2) return 0;
  const center = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i]! - center) ** 2;
  return Math.sqrt(sum / (values.length - 1));
}

/** Standard error of the mean: sample deviation over the root of n. */
export function standardError(values: ArrayLike<number>): number {
  return sampleDeviation(values) / Math.sqrt(values.length);
}

/** Quantile by linear interpolation between order statistics (Hyndman and Fan's type 7, numpy's default). NaN for no values. */
export function quantile(values: ArrayLike<number>, p: number): number {
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0) return Number.NaN;
  const position = Math.min(Math.max(p, 0), 1) * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.ceil(position);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/** Logarithm of the gamma function for x > 0, by Lanczos's series (g = 7, n = 9); relative error below 1e-13. */
export function logGamma(x: number): number {
  const coefficients = [
    0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
    -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
    1.505_632_735_149_311_6e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x);
  const shifted = x - 1;
  let sum = coefficients[0]!;
  for (let i = 1; i < coefficients.length; i++) sum += coefficients[i]! / (shifted + i);
  const t = shifted + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularized incomplete beta function I_x(a, b), by its continued fraction (modified Lentz). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges quickly only below the mean; above it, use the symmetry.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 1000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / guard(1 + even * d);
    c = guard(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / guard(1 + odd * d);
    c = guard(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * fraction;

  function guard(value: number): number {
    return Math.abs(value) < tiny ? tiny : value;
  }
}

/** P(T <= t) for Student's t with `degrees` degrees of freedom. */
export function studentCdf(t: number, degrees: number): number {
  const tail = 0.5 * incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
  return t > 0 ? 1 - tail : tail;
}

/** The t with P(T <= t) = p, for 0 < p < 1, by bisection to double precision. */
export function studentQuantile(p: number, degrees: number): number {
  if (p === 0.5) return 0;
  if (p < 0.5) return -studentQuantile(1 - p, degrees);
  let high = 1;
  while (studentCdf(high, degrees) < p) high *= 2;
  let low = 0;
  for (let i = 0; i < 200 && high - low > 1e-14 * high; i++) {
    const middle = (low + high) / 2;
    if (studentCdf(middle, degrees) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * One-sided upper confidence bound of the mean, `mean + t * standard error`. With one value there is no spread to judge by
 * and the bound is infinite: a gate on it fails closed.
 *
 * @param confidence e.g. 0.95.
 */
export function upperBoundOfMean(values: ArrayLike<number>, confidence = 0.95): number {
  if (values.length === 0) return Number.NaN;
  if (values.length === 1) return Infinity;
  return mean(values) + studentQuantile(confidence, values.length - 1) * standardError(values);
}

/**
 * Bootstrap percentiles of a ratio of sums over paired documents, e.g. a difference of log perplexities weighted by tokens.
 * Documents are drawn with replacement, numerator and denominator together.
 *
 * @returns the requested quantiles of the resampled ratio, in the order of `probabilities`.
 */
export function bootstrapRatio(
  numerators: ArrayLike<number>,
  denominators: ArrayLike<number>,
  probabilities: number[],
  random: Random,
  resamples = 2000,
): number[] {
  const n = numerators.length;
  const ratios = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let top = 0;
    let bottom = 0;
    for (let i = 0; i < n; i++) {
      const pick = random.int(n);
      top += numerators[pick]!;
      bottom += denominators[pick]!;
    }
    ratios[r] = top / bottom;
  }
  return probabilities.map((p) => quantile(ratios, p));
}

/**
 * Exact McNemar test on paired right-or-wrong answers.
 *
 * @param lost right before, wrong now.
 * @param won wrong before, right now.
 * @returns the one-sided p-value that as many or more would be lost if losing and winning were equally likely; 1 when no answer changed.
 */
export function mcnemarExact(lost: number, won: number): number {
  const changed = lost + won;
  if (changed === 0 || lost === 0) return 1;
  // P(Binomial(changed, 1/2) >= lost) = I_{1/2}(lost, won + 1)
  return incompleteBeta(0.5, lost, won + 1);
}

/** Wilson's score interval for a proportion (Wilson 1927); z = 1.96 gives 95%. */
export function wilsonInterval(successes: number, trials: number, z = 1.959_963_984_540_054): [number, number] {
  if (trials === 0) return [0, 1];
  const p = successes / trials;
  const z2 = z * z;
  const center = (p + z2 / (2 * trials)) / (1 + z2 / trials);
  const half = (z / (1 + z2 / trials)) * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  return [Math.max(0, center - half), Math.min(1, center + half)];
}
