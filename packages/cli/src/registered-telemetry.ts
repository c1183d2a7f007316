import type { Logger, Telemetry } from "pawl";

/** Where the OpenTelemetry API keeps what a program has registered, for whichever copies of it are loaded. */
const registry = Symbol.for("opentelemetry.js.api.1");
/** What cannot be sent by then is lost: the command must end. */
const flushMs = 5000;

interface Provider {
  getDelegate?(): Provider;
  forceFlush?(): Promise<void>;
}

/**
 * Traces and metrics for an SDK that was set up before the command began, with `node --import`. Without one nothing is loaded. That it
 * cannot be used is no reason not to work.
 */
export async function registeredTelemetry(load: () => Promise<Telemetry>, logger: Logger): Promise<Telemetry | undefined> {
  if (providers().length === 0) return undefined;
  try {
    return await load();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.warn(`An OpenTelemetry SDK is registered, but nothing is traced or measured: ${reason}. Install @opentelemetry/api beside the file.`);
    return undefined;
  }
}

/** The process ends right after: what the SDK has gathered must leave before. */
export async function flushTelemetry(logger: Logger): Promise<void> {
  const flushed = Promise.all(providers().map(async (provider) => (provider.getDelegate?.() ?? provider).forceFlush?.()));
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`it took longer than ${flushMs / 1000} seconds`)), flushMs).unref();
  });
  await Promise.race([flushed, late]).catch((error: unknown) => {
    logger.warn(`The last traces and metrics may be lost: ${error instanceof Error ? error.message : String(error)}`);
  });
}

function providers(): readonly Provider[] {
  const { trace, metrics } = (globalThis as { readonly [registry]?: { readonly trace?: Provider; readonly metrics?: Provider } })[registry] ?? {};
  return [trace, metrics].filter((provider) => provider !== undefined);
}
