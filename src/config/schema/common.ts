import { z } from 'zod';

export const fileOrFolder = z.string().min(1);
export const positiveInt = z.int().positive();
export const nonNegativeInt = z.int().nonnegative();

/** A fraction written as a number (`0.005`) or a percentage (`0.5%`); parsed to the fraction. */
export const fraction = z
  .union([
    z.number(),
    z.string().regex(/^-?\d+(\.\d+)?%$/, { error: 'expected a fraction or a percentage, such as 0.5%' }),
  ])
  .transform((value) => (typeof value === 'number' ? value : Number(value.slice(0, -1)) / 100));

export const seed = z.int().min(0).max(0xffff_ffff);
