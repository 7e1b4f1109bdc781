/** Pixels for each unit of the SVG: sharp on screens of high density, and in print. */
const SCALE = 2;

/**
 * An SVG as PNG on white, twice its size. Texts are set in a sans-serif font of the system; on a machine without fonts
 * they are left out.
 */
export async function svgToPng(svg: string): Promise<Uint8Array> {
  const { renderAsync } = await import('@resvg/resvg-js');
  const image = await renderAsync(svg, { background: '#ffffff', fitTo: { mode: 'zoom', value: SCALE } });
  return image.asPng();
}
