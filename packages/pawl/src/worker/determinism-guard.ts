import { NondeterministicCall } from "../base/errors.ts";
import { currentAmbient } from "../definition/ambient.ts";

/**
 * Makes clocks, randomness, timers and the network throw when workflow code, or a function of its state, calls them outside a step, naming what to use
 * instead. What schemas parse while they call them is refused afterwards. Everything else in the process is untouched: the check looks at whose code is
 * running. Installed while a worker runs, since only workers run workflow code.
 */
function refuse(call: string, replacement: string): void {
  const ambient = currentAmbient();
  if (ambient?.kind === "workflow" || ambient?.kind === "state") throw new NondeterministicCall(call, replacement, "code");
  if (ambient?.kind === "schema" && !allowedInSchemas.has(call)) ambient.refused ??= new NondeterministicCall(call, replacement, "schema");
}

interface Guarded {
  readonly owner: object;
  readonly key: string;
  readonly call: string;
  readonly replacement: string;
}

const sleep = "ctx.sleep()";
const guarded: readonly Guarded[] = [
  { owner: Date, key: "now", call: "Date.now()", replacement: "ctx.now()" },
  { owner: Math, key: "random", call: "Math.random()", replacement: "ctx.random()" },
  { owner: performance, key: "now", call: "performance.now()", replacement: "ctx.now()" },
  { owner: globalThis, key: "setTimeout", call: "setTimeout()", replacement: sleep },
  { owner: globalThis, key: "setInterval", call: "setInterval()", replacement: sleep },
  { owner: globalThis, key: "setImmediate", call: "setImmediate()", replacement: sleep },
  { owner: globalThis, key: "fetch", call: "fetch()", replacement: "a step" },
  { owner: globalThis.crypto, key: "randomUUID", call: "crypto.randomUUID()", replacement: "ctx.uuid()" },
  { owner: globalThis.crypto, key: "getRandomValues", call: "crypto.getRandomValues()", replacement: "ctx.random()" },
];

/** Libraries of schemas have uses of their own for these (Effect stamps its fibers), which change nothing about what they parse. */
const allowedInSchemas: ReadonlySet<string> = new Set(["Date.now()", "performance.now()", "setTimeout()", "setInterval()", "setImmediate()"]);

let installations = 0;
let restore: (() => void)[] = [];

/** Installs the guard; returns what takes it away again. Installing twice counts twice. */
export function installDeterminismGuard(): () => void {
  if (installations++ === 0) restore = [...guarded.map(guardFunction), guardDate()];
  let released = false;
  return () => {
    if (released) return;
    released = true;
    if (--installations > 0) return;
    for (const undo of restore.toReversed()) undo();
    restore = [];
  };
}

function guardFunction({ owner, key, call, replacement }: Guarded): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, key);
  const original = (owner as Record<string, (...args: unknown[]) => unknown>)[key]!;
  const guard = function (this: unknown, ...args: unknown[]): unknown {
    refuse(call, replacement);
    return original.apply(this, args);
  };
  // setTimeout carries util.promisify's variant and the like.
  for (const property of Reflect.ownKeys(original)) {
    if (property !== "prototype") Object.defineProperty(guard, property, Object.getOwnPropertyDescriptor(original, property)!);
  }
  Object.defineProperty(owner, key, { value: guard, writable: true, configurable: true, enumerable: before?.enumerable ?? true });
  return () => {
    // Someone may have replaced it since (fake timers of a test): then it is theirs to restore.
    if ((owner as Record<string, unknown>)[key] !== guard) return;
    if (before === undefined) delete (owner as Record<string, unknown>)[key];
    else Object.defineProperty(owner, key, before);
  };
}

/** `new Date()` and `Date()` read the clock; `new Date(value)` does not. */
function guardDate(): () => void {
  const original = globalThis.Date;
  const guard: DateConstructor = new Proxy(original, {
    construct(target, args, newTarget): object {
      if (args.length === 0) refuse("new Date()", "ctx.now()");
      return Reflect.construct(target, args, newTarget === guard ? target : newTarget) as object;
    },
    apply(target, self, args) {
      refuse("Date()", "ctx.now()");
      return Reflect.apply(target, self, args) as string;
    },
  });
  globalThis.Date = guard;
  return () => {
    if (globalThis.Date === guard) globalThis.Date = original;
  };
}
