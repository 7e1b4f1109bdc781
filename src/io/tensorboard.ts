import { closeSync, mkdirSync, openSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { crc32c, maskCrc } from '../core/crc32c.ts';
import { writeAll } from './atomic.ts';

/** The fields of TensorFlow's event.proto and summary.proto that scalars and texts need. */
const messages = `
syntax = "proto3";
message Event {
  double wall_time = 1; int64 step = 2;
  oneof what { string file_version = 3; Summary summary = 5; SessionLog session_log = 7; }
}
message SessionLog { int32 status = 1; }
message Summary {
  message Value {
    string tag = 1; SummaryMetadata metadata = 9;
    oneof value { float simple_value = 2; TensorProto tensor = 8; }
  }
  repeated Value value = 1;
}
message SummaryMetadata { message PluginData { string plugin_name = 1; } PluginData plugin_data = 1; }
message TensorProto { int32 dtype = 1; TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8; }
message TensorShapeProto { message Dim { int64 size = 1; } repeated Dim dim = 2; }
`;

const Event = protobuf.parse(messages).root.lookupType('Event');
/** SessionLog.START: what a reader has of this step and later came from a run that was cut off. */
const START = 1;
/** DataType of strings. */
const DT_STRING = 7;

/**
 * A TensorBoard event file: a `TFRecord` for each event, written as it comes, so that TensorBoard follows a run.
 * Format: tensorflow/core/util/event.proto and lib/io/record_writer.
 */
export class EventFile {
  readonly path: string;
  readonly #file: number;
  readonly #now: () => number;

  /**
   * @param folder made where it is missing; TensorBoard takes each folder for a run
   * @param now milliseconds since 1970
   */
  constructor(folder: string, now: () => number = Date.now) {
    mkdirSync(folder, { recursive: true });
    const seconds = String(Math.floor(now() / 1000)).padStart(10, '0');
    this.path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}`);
    this.#file = openSync(this.path, 'a');
    this.#now = now;
    this.#write({ fileVersion: 'brain.Event:2' });
  }

  /** Says that what follows begins at `step`: a reader drops what it has of that step and later ones. */
  restart(step: number): void {
    this.#write({ step, sessionLog: { status: START } });
  }

  /** Figures by tag (`train/loss`) at a step. Held as f32; infinities and NaN are shown as such. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const value = Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue }));
    if (value.length > 0) this.#write({ step, summary: { value } });
  }

  /** A text (Markdown) for TensorBoard's text tab. */
  text(step: number, tag: string, text: string): void {
    const tensor = { dtype: DT_STRING, tensorShape: {}, stringVal: [new TextEncoder().encode(text)] };
    this.#write({ step, summary: { value: [{ tag, tensor, metadata: { pluginData: { pluginName: 'text' } } }] } });
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(event: object): void {
    const bytes = Event.encode(Event.create({ wallTime: this.#now() / 1000, ...event })).finish();
    writeAll(this.#file, tfRecord(bytes));
  }
}

/** A TFRecord: u64 length, masked CRC-32C of the length, the data, its masked CRC-32C; little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskCrc(crc32c(record.subarray(0, 8))), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskCrc(crc32c(data)), true);
  return record;
}
