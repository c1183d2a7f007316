import type { DatabaseServer } from "./database-server.ts";
import type { Rig, RigOptions } from "./rig.ts";

/** What shows that a fault bit. A run in which it did not has proved nothing. */
export interface Requirement {
  readonly what: string;
  readonly count: number;
  readonly least: number;
}

export interface Fault {
  readonly id: string;
  readonly title: string;
  /** What it needs of the rig, where that differs from the usual. */
  readonly options?: Partial<RigOptions>;
  /** A reason why it cannot run here. */
  readonly skip?: () => Promise<string | undefined>;
  /** Does the harm for `rig.seconds` and heals it. */
  readonly inject: (rig: Rig) => Promise<void>;
  readonly requirements: (rig: Rig) => readonly Requirement[] | Promise<readonly Requirement[]>;
  /** What must be true besides all invariants, once everything has settled. */
  readonly check?: (rig: Rig) => readonly string[] | Promise<readonly string[]>;
  /** Starts its own executions instead of the base load. */
  readonly ownLoad?: boolean;
  /** A server made for it, instead of the one that all faults share. `close` puts away more than the server. */
  readonly openServer?: () => Promise<{ readonly server: DatabaseServer; close(): Promise<void> }>;
}
