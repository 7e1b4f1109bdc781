import { LlmkitError } from '../core/errors.ts';

/** Bytes an element of each dtype takes. */
export const DTYPE_BYTES = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type SafetensorsDType = keyof typeof DTYPE_BYTES;

export interface TensorInfo {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly byteLength: number;
}

export interface HeaderEntry extends TensorInfo {
  /** Where the tensor's first byte is in the file. */
  readonly position: number;
}

/** The reference reader's limit too: more is a broken file. */
const MAX_HEADER_BYTES = 100_000_000;
const AGAIN = 'the file is damaged or was cut: copy or download it again';

/**
 * Checks and parses the header of a safetensors file: a little-endian u64 length, that many bytes of JSON, then data.
 *
 * @param readAt reads exactly `length` bytes at `position`.
 * @throws LlmkitError('data') that says which part is wrong.
 */
export function parseHeader(
  path: string,
  fileBytes: number,
  readAt: (position: number, length: number) => Uint8Array,
): { entries: Map<string, HeaderEntry>; metadata: Record<string, string> } {
  if (fileBytes < 8)
    throw broken(path, 'is too short for a safetensors file', 'at least 8 bytes', `${fileBytes} bytes`);
  const start = Buffer.from(readAt(0, Math.min(fileBytes, 64)));
  if (start.toString('latin1').startsWith('version https://git-lfs')) {
    throw new LlmkitError('data', `${path} is a Git LFS pointer, not the weights`, {
      where: path,
      hint: 'run git lfs pull in that repository',
    });
  }
  const length = Number(start.readBigUInt64LE());
  if (length > MAX_HEADER_BYTES || (fileBytes > 8 && start[8] !== 0x7b)) {
    throw broken(path, 'does not begin like a safetensors file', 'a header length and "{"', `length ${length}`);
  }
  if (8 + length > fileBytes) {
    throw broken(path, 'ends inside its header', `${8 + length} bytes of header`, `${fileBytes} bytes in all`);
  }
  const json = parseJson(path, readAt(8, length));
  const dataStart = 8 + length;
  const metadata = parseMetadata(path, json['__metadata__']);
  const entries = new Map<string, HeaderEntry>();
  const spans: { name: string; begin: number; end: number }[] = [];
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, begin, end } = parseEntry(path, name, value);
    entries.set(name, { dtype, shape, byteLength: end - begin, position: dataStart + begin });
    spans.push({ name, begin, end });
  }
  checkCoverage(path, spans, fileBytes - dataStart);
  return { entries, metadata };
}

function parseJson(path: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (error) {
    throw broken(path, 'has a header that is not JSON', 'a JSON object', (error as Error).message, error);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw broken(path, 'has a header that is not a JSON object', 'an object', JSON.stringify(json).slice(0, 40));
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) {
    throw broken(path, `names the tensor ${twice} twice`, 'every name once', `${twice} twice`);
  }
  return json as Record<string, unknown>;
}

/** The first key that stands twice in the outermost object: JSON.parse would keep the last and say nothing. */
function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g)) {
    const token = match[0];
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && match[1] !== undefined) {
      const key = JSON.parse(token.slice(0, token.length - match[1].length)) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

function parseMetadata(path: string, value: unknown): Record<string, string> {
  if (value === undefined) return {};
  const valid =
    typeof value === 'object' && value !== null && Object.values(value).every((entry) => typeof entry === 'string');
  if (!valid)
    throw broken(path, 'has __metadata__ that is not text', 'strings by name', JSON.stringify(value).slice(0, 60));
  return value as Record<string, string>;
}

function parseEntry(path: string, name: string, value: unknown) {
  const where = `${path} ${name}`;
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw new LlmkitError('data', `tensor ${name} has a dtype that llmkit does not read`, {
      where,
      expected: Object.keys(DTYPE_BYTES).join(', '),
      got: JSON.stringify(dtype) ?? 'none',
      hint: 'save the checkpoint in bf16, f16 or f32',
    });
  }
  if (!isCounts(shape)) throw broken(where, 'has a bad shape', 'whole numbers', JSON.stringify(shape) ?? 'none');
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw broken(where, 'has bad data_offsets', '[begin, end]', JSON.stringify(offsets) ?? 'none');
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, dim) => product * dim, DTYPE_BYTES[dtype as SafetensorsDType]);
  if (bytes !== end - begin) {
    throw broken(where, 'has offsets that do not fit its shape', `${bytes} bytes`, `${end - begin} bytes`);
  }
  return { dtype: dtype as SafetensorsDType, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

/** The format allows no overlap, no hole and nothing after the last tensor. */
function checkCoverage(path: string, spans: { name: string; begin: number; end: number }[], dataBytes: number): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  let previous = 'the header';
  for (const { name, begin, end } of spans) {
    if (end > dataBytes) {
      throw broken(`${path} ${name}`, 'reaches past the end of the file', `${end} bytes of data`, `${dataBytes}`);
    }
    if (begin < position) {
      throw broken(`${path} ${name}`, `overlaps ${previous}`, `offset ${position}`, `offset ${begin}`);
    }
    if (begin > position) {
      throw broken(`${path} ${name}`, `leaves a hole after ${previous}`, `offset ${position}`, `offset ${begin}`);
    }
    position = end;
    previous = name;
  }
  if (position !== dataBytes) {
    throw broken(path, 'has bytes that belong to no tensor', `${position} bytes of data`, `${dataBytes} bytes`);
  }
}

function broken(where: string, what: string, expected: string, got: string, cause?: unknown): LlmkitError {
  const details = { where, expected, got, hint: AGAIN };
  return new LlmkitError('data', `${where} ${what}`, cause === undefined ? details : { ...details, cause });
}
