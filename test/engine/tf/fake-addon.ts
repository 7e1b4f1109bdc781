import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nativeDirectory, VERSIONS } from '../../../src/engine/tf/cache.ts';

/** What a stand-in for the addon does: `require` loads JavaScript as well as a library. */
export interface FakeAddon {
  gpu?: boolean;
  /** Round what a product of f32 gives to bf16, as TF_SET_ONEDNN_FPMATH_MODE does on AMX. */
  rounds?: boolean;
  /** What the product of [[1, 2], [3, 4]] with itself gives. */
  answer?: number[];
  /** Runs when the addon is loaded. */
  first?: string;
}

/** Knows the two graphs by which llmkit looks at an engine: x x for x [2, 2], and x times the identity. */
export function fakeAddon({ gpu = false, rounds = false, answer = [7, 10, 15, 22], first = '' }: FakeAddon): string {
  return `${first}
const tensors = [];
const made = (shape, data) => ({ id: tensors.push(data) - 1, shape, dtype: 1 });
module.exports = {
  TF_Version: '9.9.9',
  isUsingGpuDevice: () => ${gpu},
  loadSavedModel: () => 0,
  deleteSavedModel() {},
  deleteTensor() {},
  createTensor: (shape, dtype, data) => made(shape, data).id,
  tensorDataSync: (id) => tensors[id],
  runSavedModel(session, ids, inputs) {
    module.exports.inputNames = inputs;
    const data = ids.length === 1 ? Float32Array.from(${JSON.stringify(answer)}) : tensors[ids[0]];
    return [made([data.length], ids.length > 1 && ${rounds} ? data.map(Math.round) : data)];
  },
};`;
}

/** Puts a stand-in where the cache has the engine that setup made. */
export function installFake(fake: FakeAddon): void {
  const source = fakeAddon(fake);
  const path = join(nativeDirectory('cpu'), 'fake.cjs');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  const record = { recipe: VERSIONS.recipe, addon: 'fake.cjs', files: [{ path: 'fake.cjs', bytes: source.length }] };
  writeFileSync(join(dirname(path), 'setup.json'), JSON.stringify(record));
}
