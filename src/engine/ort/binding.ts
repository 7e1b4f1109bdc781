import { LlmkitError } from '../../core/errors.ts';
import { type Handle, located, type OrtApi } from './api.ts';
import type { OrtTensor, OrtValue } from './value.ts';

/**
 * Inputs and outputs tied to fixed memory. A value may be bound as an input and as an output at once, which is how a
 * key/value cache is updated in place. Bound values are kept alive until they are replaced or the binding is disposed.
 */
export interface OrtBinding {
  bindInput(name: string, value: OrtValue): void;
  bindOutput(name: string, value: OrtValue): void;
  /** @throws LlmkitError with ONNX Runtime's message. */
  run(): void;
  dispose(): void;
}

export class IoBinding implements OrtBinding {
  readonly #api: OrtApi;
  readonly #session: Handle;
  readonly #where: string;
  readonly #held = new Map<string, OrtValue>();
  readonly #onDispose: (self: OrtBinding) => void;
  #handle: Handle | undefined;

  constructor(api: OrtApi, session: Handle, where: string, onDispose: (self: OrtBinding) => void) {
    this.#api = api;
    this.#onDispose = onDispose;
    this.#session = session;
    this.#where = where;
    this.#handle = api.get('CreateIoBinding', session);
  }

  bindInput(name: string, value: OrtValue): void {
    this.#bind('BindInput', name, value);
  }

  bindOutput(name: string, value: OrtValue): void {
    this.#bind('BindOutput', name, value);
  }

  run(): void {
    this.#guard(() => this.#api.call('RunWithBinding', this.#session, null, this.#open()));
  }

  dispose(): void {
    if (this.#handle === undefined) return;
    this.#api.release('IoBinding', this.#handle);
    this.#handle = undefined;
    this.#onDispose(this);
    this.#held.clear();
  }

  #bind(call: 'BindInput' | 'BindOutput', name: string, value: OrtValue): void {
    this.#guard(() => this.#api.call(call, this.#open(), name, (value as OrtTensor).handle(this.#api)));
    this.#held.set(`${call} ${name}`, value);
  }

  #open(): Handle {
    if (this.#handle === undefined) throw new LlmkitError('bug', 'the binding was disposed', { where: this.#where });
    return this.#handle;
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw located(error, this.#where);
    }
  }
}
