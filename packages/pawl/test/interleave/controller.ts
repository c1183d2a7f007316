import pg from "pg";
import { Session } from "./session.ts";

/** What happened when sessions were let on in some order. */
export interface Run {
  /** The order: one letter for each session that was let on. */
  readonly order: string;
  /** Which sessions could have been let on at each place. */
  readonly choices: readonly string[];
  /** What each place did, to read. */
  readonly trace: readonly string[];
  /** What each session's work gave, or how it failed. */
  readonly results: readonly string[];
  readonly failures: readonly string[];
  /** How often a session had to wait for a lock of another. */
  readonly blocked: number;
  readonly deadlocks: number;
  /** Whether two transactions were open at one time. */
  readonly overlapped: boolean;
}

/** Picks the session to let on, by its letter, of those that stand at a gate. */
export type Chooser = (enabled: string, soFar: string) => string;

export type Work = (session: Session) => Promise<string>;

/** What may be interrupted: transactions at their gates, or nothing but the time between them, and between the statements of a user's. */
export type Grain = "gates" | "transactions";

/** A session that neither comes to a gate nor waits for another within so long is lost. */
const longestMove = 60_000;

/** Lets explored sessions on, one gate at a time, and knows where each of them is. */
export class Controller {
  readonly sessions: Session[] = [];
  readonly #client: pg.Client;
  readonly #url: string;
  readonly #held = new Set<string>();
  #signal: (() => void) | undefined;

  constructor(url: string) {
    this.#url = url;
    this.#client = new pg.Client({ connectionString: url, application_name: "explorer" });
    this.#client.on("error", () => {});
  }

  async open(sessions: number): Promise<void> {
    await this.#client.connect();
    for (let number = 1; number <= sessions; number++) {
      const session = new Session(this.#url, number, () => this.#signal?.());
      await session.open();
      this.sessions.push(session);
    }
  }

  async close(): Promise<void> {
    // Its locks first: a session that still stands at a gate could not end.
    await this.#client.end();
    await Promise.all(this.sessions.map((session) => session.close()));
  }

  /** Runs one piece of work in each session; `choose` decides at every gate who goes on. */
  async run(works: readonly Work[], choose: Chooser, grain: Grain): Promise<Run> {
    const sessions = this.sessions.slice(0, works.length);
    const failures: string[] = [];
    const results = sessions.map((session, index) =>
      session
        .begin(() => works[index]!(session))
        .catch((error: unknown) => {
          const failure = `${letterOf(index)}: ${error instanceof Error ? error.message : String(error)}`;
          failures.push(failure);
          return failure;
        }),
    );
    let order = "";
    const choices: string[] = [];
    const trace: string[] = [];
    let blocked = 0;
    let overlapped = false;
    for (;;) {
      blocked += await this.#settle(sessions);
      overlapped ||= sessions.filter((session) => session.inTransaction).length > 1;
      const only = grain === "transactions" ? sessions.find((session) => session.inWhole && session.state === "gate") : undefined;
      const enabled = sessions.flatMap((session, index) => (session.state === "gate" && session === (only ?? session) ? [letterOf(index)] : [])).join("");
      if (enabled === "") break;
      const letter = choose(enabled, order);
      const session = sessions[letter.charCodeAt(0) - 65];
      if (session === undefined || !enabled.includes(letter)) throw new Error(`The order ${order}${letter} cannot be: only ${enabled} can go on.`);
      const waiting = sessions.flatMap((other, index) => (other.state === "blocked" ? [letterOf(index)] : [])).join("");
      trace.push(`${letter} ${session.gate!.label}${waiting === "" ? "" : ` (${waiting} blocked)`}`);
      choices.push(enabled);
      order += letter;
      await this.#letOn(session);
    }
    const settled = await Promise.all(results);
    const deadlocks = sessions.reduce((sum, session) => sum + session.deadlocks, 0);
    return { order, choices, trace, results: settled, failures, blocked, deadlocks, overlapped };
  }

  async #letOn(session: Session): Promise<void> {
    const { step } = session.gate!;
    const { number } = session;
    session.state = "running";
    session.gate = undefined;
    if (step === 0) {
      // The first gate of the transaction that begins must be closed; one that commits still has its lock.
      if (!session.inTransaction) await this.#hold(number, 1);
      return session.proceed();
    }
    this.#held.delete(`${number}:${step}`);
    if (this.#held.has(`${number}:${step + 1}`)) await this.#client.query("SELECT pg_advisory_unlock($1, $2)", [number, step]);
    else {
      this.#held.add(`${number}:${step + 1}`);
      await this.#client.query("SELECT pg_advisory_lock($1, $2 + 1), pg_advisory_unlock($1, $2)", [number, step]);
    }
  }

  async #hold(number: number, step: number): Promise<void> {
    if (this.#held.has(`${number}:${step}`)) return;
    this.#held.add(`${number}:${step}`);
    await this.#client.query("SELECT pg_advisory_lock($1, $2)", [number, step]);
  }

  /** Waits until every session stands at a gate, is done, or waits for a lock of one that does. Gives how many began to wait. */
  async #settle(sessions: readonly Session[]): Promise<number> {
    const before = new Set(sessions.filter((session) => session.state === "blocked"));
    const deadline = performance.now() + longestMove;
    // Whoever was blocked may not be any more, which only the server can say.
    let fresh = sessions.some((session) => session.state === "running");
    for (const session of before) session.state = "running";
    while (sessions.some((session) => session.state === "running")) {
      if (performance.now() > deadline) throw new Error(`Lost: ${sessions.map((session) => `${session.state} ${session.gate?.label ?? ""}`).join("; ")}`);
      if (fresh) await this.#change(sessions.some((session) => session.state === "running" && !before.has(session)) ? 2 : 1);
      fresh = true;
      await this.#findBlocked(sessions);
    }
    return sessions.filter((session) => session.state === "blocked" && !before.has(session)).length;
  }

  async #findBlocked(sessions: readonly Session[]): Promise<void> {
    const running = sessions.filter((session) => session.state === "running");
    if (running.length === 0) return;
    const { rows } = await this.#client.query<{ readonly pid: number; readonly blockers: readonly number[] }>(
      "SELECT pid, pg_blocking_pids(pid) AS blockers FROM unnest($1::int[]) AS pid",
      [running.map((session) => session.pid)],
    );
    for (const { pid, blockers } of rows) {
      const session = running.find((each) => each.pid === pid)!;
      const others = sessions.filter((each) => blockers.includes(each.pid));
      // Two that wait for each other stay running until the server's deadlock check has picked one. Whoever is done holds nothing any more:
      // the server said so a moment before.
      const stay = others.every((other) => other.state === "gate" || other.state === "blocked");
      if (session.state === "running" && others.length > 0 && stay) session.state = "blocked";
    }
  }

  /** Until a session has come to a gate or its end, or for so long. */
  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#signal = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function letterOf(index: number): string {
  return String.fromCharCode(65 + index);
}
