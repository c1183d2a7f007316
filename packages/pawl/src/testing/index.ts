export { openInMemory, type InMemoryOptions } from "./open-in-memory.ts";
