import { displayPath } from '../../config/places.ts';
import type { LlmkitEvent } from '../../core/events.ts';

/** For people, artifacts lie relative to where they stand; machines get the absolute path. */
export function withShortPath(event: LlmkitEvent): LlmkitEvent {
  return event.type === 'artifact' ? { ...event, path: displayPath(event.path) } : event;
}
