#!/usr/bin/env node
// Old syntax on purpose: an old Node must get as far as the message below.
import fs from 'fs';
import module from 'module';

var parts = process.versions.node.split('.');
var major = Number(parts[0]);
if (major < 20 || (major === 20 && Number(parts[1]) < 19)) {
  process.stderr.write(
    'error: llmkit needs Node 20.19 or newer, this is ' +
      process.version +
      '\n  hint: https://nodejs.org, or nvm install 22\n',
  );
  process.exit(3);
}

// React's development build leaks over long runs.
if (!process.env.NODE_ENV) process.env.NODE_ENV = 'production';
if (module.enableCompileCache) module.enableCompileCache();

var main = new URL('../dist/cli/main.js', import.meta.url);
if (!fs.existsSync(main)) {
  process.stderr.write('error: llmkit is not built: dist/ is missing\n  hint: npm run build\n');
  process.exit(3);
}
import(main.href).then(
  function (cli) {
    return cli.main(process.argv);
  },
  function (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    process.stderr.write(
      'error: a package that llmkit needs is not installed\n  ' + error.message + '\n  hint: npm ci\n',
    );
    process.exit(3);
  },
);
