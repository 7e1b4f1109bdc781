import { findNative } from '../../../src/engine/tf/cache.ts';
import { NativeEngine } from '../../../src/engine/tf/native.ts';

/** The native engine that `llmkit setup` left in the cache, if any. */
export const nativeInstall = findNative(['cpu']);

if (nativeInstall === undefined) console.warn('native engine tests are skipped: run `llmkit setup` first');

export function nativeEngine(): NativeEngine {
  if (nativeInstall === undefined) throw new Error('the native engine is not set up');
  return new NativeEngine(nativeInstall.addonPath);
}
