export { chooseEngine, type ChooseOptions } from './choose.ts';
export { damagedFiles, findNative, nativeDirectory, type NativeInstall, VERSIONS } from './cache.ts';
export { nativeEnvironment, type NativeEnvironmentOptions } from './environment.ts';
export { probeEngines, type EngineProbe } from './probe-engines.ts';
export { setupNative, type SetupOptions, type SetupReport } from './setup/index.ts';
export type { EngineChoice, TfData, TfDType, TfEngine, TfGraph, TfProgram, TfReadData, TfTensor } from './types.ts';
