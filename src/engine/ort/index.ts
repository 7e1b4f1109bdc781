export { ortApi } from './api.ts';
export type { OrtBinding } from './binding.ts';
export { findOrtLibrary } from './library.ts';
export { probeOrt, type OrtProbe } from './probe.ts';
export { createSession, type OrtPort, type OrtSession, type SessionOptions } from './session.ts';
export { ortTensor, type OrtData, type OrtDType, type OrtValue } from './value.ts';
