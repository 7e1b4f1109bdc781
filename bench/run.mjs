// npm run bench -- NAME [options]: runs bench/NAME.mjs; without a name, lists what there is.
import { readdirSync, readFileSync } from 'node:fs';

const folder = new URL('./', import.meta.url);
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.mjs') && !['run.mjs', 'measure.mjs'].includes(name))
  .map((name) => name.slice(0, -4));
const [name, ...rest] = process.argv.slice(2);

if (name === undefined || !names.includes(name)) {
  if (name !== undefined) console.error(`there is no bench called ${name}`);
  for (const known of names) {
    const [first] = readFileSync(new URL(`${known}.mjs`, folder), 'utf8').split('\n');
    console.log(`${known.padEnd(18)} ${first.replace(/^\/[/*]+ ?/, '')}`);
  }
  process.exitCode = name === undefined ? 0 : 2;
} else {
  process.argv.splice(1, process.argv.length - 1, new URL(`${name}.mjs`, folder).pathname, ...rest);
  await import(new URL(`${name}.mjs`, folder).href);
}
