import { pino, stdTimeFunctions, type Logger as JsonLog } from "pino";
import { escapeControls } from "./printable.ts";

/**
 * A log of one JSON object per line on stderr: level, time, pid, hostname, fields, message. Import this file only where such a
 * log is asked for: loading pino takes time.
 */
export function jsonLog(level: string): JsonLog {
  return pino(
    { level, messageKey: "message", timestamp: stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    // At once and in order with whatever else is written there, so that no line is lost when the process ends.
    { write: (line) => process.stderr.write(escapeControls(line)) },
  );
}
