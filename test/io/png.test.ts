import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { svgToPng } from '../../src/io/png.ts';

/** Width, height and the RGBA of one pixel of a PNG whose rows are not filtered there. */
function read(png: Uint8Array): { width: number; height: number; first: number[] } {
  const bytes = Buffer.from(png);
  const data: Buffer[] = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const length = bytes.readUInt32BE(at);
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(bytes.subarray(at + 8, at + 8 + length));
  }
  // The first pixel of the first row has no neighbours: whatever the filter, its bytes are its own.
  const first = [...inflateSync(Buffer.concat(data)).subarray(1, 5)];
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), first };
}

const square = (fill: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="10" height="6"><rect width="10" height="6" fill="${fill}"/></svg>`;

describe('an SVG as PNG', () => {
  it('has twice its size and its colours, on white', async () => {
    expect(read(await svgToPng(square('#3b7dd8')))).toEqual({ width: 20, height: 12, first: [0x3b, 0x7d, 0xd8, 255] });
    expect(read(await svgToPng(square('none'))).first).toEqual([255, 255, 255, 255]);
  });

  it('is the same for the same SVG', async () => {
    expect(await svgToPng(square('red'))).toEqual(await svgToPng(square('red')));
  });
});
