import { findNative } from '../../src/engine/tf/index.ts';

/** The engines that this machine can run: suites that take them print which they ran on. */
export const engines: ('native' | 'wasm')[] = findNative() ? ['native', 'wasm'] : ['wasm'];
