/** A random program of durable calls, as data, so that every process and every replay runs the same. */
export type Program =
  | { readonly do: "step"; readonly ms: number; readonly value: number }
  /** Fails `fails` times; with `gives` up before, for good. */
  | { readonly do: "retry"; readonly fails: number; readonly attempts: number; readonly intervalMs: number; readonly value: number }
  | { readonly do: "fail" }
  /** Never ends in so many first attempts, whose time is over some day. */
  | { readonly do: "slow"; readonly hangs: number; readonly over: "timeout" | "heartbeatTimeout"; readonly value: number }
  /** Says how far it is, so often, for longer than leases last; its first attempt fails at the end. */
  | { readonly do: "beat"; readonly beats: number; readonly value: number }
  /** A step on another queue, which is another worker's as often as not; or one that nobody may begin in time. */
  | { readonly do: "remote"; readonly ms: number; readonly value: number; readonly inTime: boolean }
  /** Kills so many of the processes that run it. */
  | { readonly do: "kill"; readonly deaths: number; readonly value: number }
  | { readonly do: "sleep"; readonly ms: number }
  /** Takes a signal, if one comes in time. */
  | { readonly do: "signal"; readonly timeoutMs: number }
  /** Takes signals one after the other, as they come in time, and records which. */
  | { readonly do: "take"; readonly times: number; readonly timeoutMs: number }
  /** Waits until so many updates have come, if they come in time. */
  | { readonly do: "until"; readonly bumps: number; readonly timeoutMs: number }
  | { readonly do: "publish"; readonly value: number }
  /** Undoes a step when what follows fails. */
  | { readonly do: "saga"; readonly program: Program }
  | { readonly do: "child"; readonly program: Program; readonly own: boolean }
  | { readonly do: "inOrder"; readonly parts: readonly Program[] }
  | { readonly do: "together"; readonly parts: readonly Program[]; readonly concurrency: number }
  | { readonly do: "race"; readonly parts: readonly Program[] }
  /** A change of code that all have: it goes the same way whenever it is run again. */
  | { readonly do: "patched"; readonly id: string; readonly value: number }
  /** Ends the run after the first part, with something else still going on, and goes on with the next part in a new run. */
  | { readonly do: "continue"; readonly first: Program; readonly beside: Program; readonly next: Program }
  | { readonly do: "set"; readonly what: "labels" | "attributes"; readonly name: string; readonly value: number | null }
  /** Writes chunks from workflow code. */
  | { readonly do: "tell"; readonly chunks: number }
  /** Writes chunks from a step, whose first attempts fail half way. */
  | { readonly do: "tokens"; readonly chunks: number; readonly fails: number; readonly ms: number }
  /** Writes a row in a transaction, whose first attempts fail after that. */
  | { readonly do: "transact"; readonly fails: number; readonly value: number }
  /** Settles all, failures included. */
  | { readonly do: "settle"; readonly parts: readonly Program[] }
  /** Waits for ever, together with a child and a step that do so too, and cleans up when it is cancelled. */
  | { readonly do: "wait to be cancelled" };

export type Expected = { readonly value: number } | "fails" | "either";

/** What a program comes to, where that does not depend on who is first. */
export function expectedOf(program: Program): Expected {
  switch (program.do) {
    case "step":
    case "kill":
    case "beat":
    case "slow":
      return { value: program.value };
    case "retry":
      return program.fails < program.attempts ? { value: program.value } : "fails";
    case "fail":
      return "fails";
    case "remote":
      return program.inTime ? "either" : { value: program.value };
    case "sleep":
    case "until":
    case "set":
    case "take":
      return { value: 0 };
    case "publish":
    case "patched":
    case "transact":
      return { value: program.value };
    case "tell":
    case "tokens":
      return { value: program.chunks };
    case "signal":
      return "either";
    case "saga":
      return expectedOf(program.program);
    case "child":
      // Of two children with one id the later is a conflict.
      return program.own ? "either" : expectedOf(program.program);
    case "inOrder":
    case "together":
      return program.parts.reduce<Expected>((sum, part) => join(sum, expectedOf(part)), { value: 0 });
    case "settle":
      return program.parts.map(expectedOf).reduce<Expected>((sum, part) => join(sum, part === "fails" ? { value: 0 } : part), { value: 0 });
    case "continue": {
      const first = expectedOf(program.first);
      return typeof first === "object" ? expectedOf(program.next) : first;
    }
    case "race":
    case "wait to be cancelled":
      return "either";
  }
}

function join(a: Expected, b: Expected): Expected {
  if (a === "fails" || b === "fails") return a === "either" || b === "either" ? "either" : "fails";
  return a === "either" || b === "either" ? "either" : { value: a.value + b.value };
}

/** Whether each step whose result is a value adds it to what the program comes to. */
export function addsUp(program: Program): boolean {
  switch (program.do) {
    case "saga":
      return addsUp(program.program);
    case "inOrder":
    case "together":
      return program.parts.every(addsUp);
    case "settle":
      return program.parts.every((part) => addsUp(part) && typeof expectedOf(part) === "object");
    case "race":
    case "continue":
      return false;
    default:
      return true;
  }
}
