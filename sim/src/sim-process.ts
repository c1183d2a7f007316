import { uuidv7, type ProcessIdentity, type Runtime, type Timer } from "pawl/internal";
import type { Chance } from "./random.ts";
import type { World } from "./world.ts";

/** The processes of a simulation by pid, for each to ask whether another is gone. */
export class ProcessTable {
  readonly #alive = new Set<number>();
  #lastPid = 0;

  add(): number {
    this.#alive.add(++this.#lastPid);
    return this.#lastPid;
  }

  remove(pid: number): void {
    this.#alive.delete(pid);
  }

  isAlive(pid: number): boolean {
    return this.#alive.has(pid);
  }
}

/** One simulated process: its clock, timers, turns and chance all come from the world, and end with it. */
export class SimProcess implements Runtime {
  readonly name: string;
  readonly identity: ProcessIdentity;
  /** Does nothing before this virtual time. */
  pausedUntil = 0;
  alive = true;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #table: ProcessTable;

  /** @param host processes with the same host can tell whether the others are gone */
  constructor(world: World, table: ProcessTable, name: string, host: string, chance: Chance) {
    this.#world = world;
    this.#table = table;
    this.name = name;
    this.#chance = chance;
    const pid = table.add();
    this.identity = { host, pid, pidStarted: String(pid) };
  }

  crash(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#table.remove(this.identity.pid);
    this.#world.note(this.name, "dies");
    this.#world.forget(this);
  }

  pause(ms: number): void {
    if (!this.alive) return;
    this.pausedUntil = Math.max(this.pausedUntil, this.#world.now + ms);
    this.#world.note(this.name, `stands still for ${ms} ms`);
  }

  /** For steps that take time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.startTimer(ms, resolve));
  }

  // Runtime

  monotonicMs(): number {
    return this.#world.now;
  }

  startTimer(ms: number, onTime: () => void): Timer {
    if (!this.alive) return { clear: () => {} };
    return { clear: this.#world.schedule(ms, "timer", this, "", onTime) };
  }

  startInterval(ms: number, onTime: () => void): Timer {
    let timer: Timer;
    let stopped = false;
    const arm = (): void => {
      timer = this.startTimer(ms, () => {
        onTime();
        if (!stopped) arm();
      });
    };
    arm();
    return {
      clear: () => {
        stopped = true;
        timer.clear();
      },
    };
  }

  soon(task: () => void): void {
    if (this.alive) this.#world.schedule(0, "turn", this, "", task);
  }

  random(): number {
    return this.#chance.next();
  }

  newUuid(): string {
    return uuidv7(Math.floor(this.#world.databaseNow), this.#chance.bytes(10));
  }

  isGone(pid: number): boolean {
    return !this.#table.isAlive(pid);
  }
}
