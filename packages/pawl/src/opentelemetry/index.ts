export { openTelemetry, type OpenTelemetryOptions } from "./open-telemetry.ts";
export type { Telemetry } from "../base/telemetry.ts";
