/** Where Pawl writes what people running it should know. `console` and pino loggers fit. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export const consoleLogger: Logger = {
  info: () => {},
  warn: (message) => console.warn(`pawl: ${message}`),
  error: (message) => console.error(`pawl: ${message}`),
};

export const silentLogger: Logger = { info: () => {}, warn: () => {}, error: () => {} };
