export { openInMemory, type InMemoryOptions } from "./open-in-memory.ts";
export { TestPawl, type TestPawlOptions } from "./test-pawl.ts";
export type { TestTime } from "./test-time.ts";
export type { Mock, MockCall, MockOptions, Mocks } from "./mocks.ts";
export { recordHistory } from "../replay/record-history.ts";
export type { RecordedEventJson, RecordedHistory } from "../replay/recorded-history.ts";
export { replayHistory, type ReplayOutcome } from "../replay/replay-history.ts";
