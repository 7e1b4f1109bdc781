import { homedir } from 'node:os';
import { join } from 'node:path';

/** Root of everything llmkit keeps outside projects: LLMKIT_CACHE_DIR, else the platform's cache folder. */
export function cacheRoot(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['LLMKIT_CACHE_DIR']) return environment['LLMKIT_CACHE_DIR'];
  if (process.platform === 'win32')
    return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'llmkit', 'cache');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'llmkit');
  return join(environment['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'llmkit');
}
