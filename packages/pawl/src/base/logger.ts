/** Where Pawl writes what people running it should know. `console` and pino loggers fit. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** The same, with these fields in every line. Where it is missing, they are added to the text. */
  child?(fields: LogFields): Logger;
}

/** What a line is about. */
export type LogFields = Readonly<Record<string, string | number>>;

/** A logger whose lines say what they are about. */
export function loggerOf(logger: Logger, fields: LogFields): Logger {
  if (typeof logger.child === "function") return logger.child(fields);
  const suffix = Object.entries(fields)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  return {
    info: (message) => logger.info(`${message} (${suffix})`),
    warn: (message) => logger.warn(`${message} (${suffix})`),
    error: (message) => logger.error(`${message} (${suffix})`),
  };
}

export const consoleLogger: Logger = {
  info: () => {},
  warn: (message) => console.warn(`pawl: ${message}`),
  error: (message) => console.error(`pawl: ${message}`),
};

export const silentLogger: Logger = { info: () => {}, warn: () => {}, error: () => {} };
