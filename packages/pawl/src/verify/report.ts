/** What `verifyDatabase` finds, as data: for a person, a program or a simulator to read. */
export interface VerifyReport {
  /** Whether nothing is violated. */
  readonly holds: boolean;
  /** One for each invariant, in the order of their numbers. */
  readonly invariants: readonly InvariantReport[];
  readonly scope: Scope;
}

/** How much was looked at. */
export interface Scope {
  readonly executions: number;
  /** Runs, earlier ones included. */
  readonly runs: number;
  readonly events: number;
  /** False: a limit left out older executions, so what is said holds for the newest ones only. */
  readonly complete: boolean;
}

export type InvariantId = `I${number}`;

export interface InvariantReport {
  readonly invariant: InvariantId;
  readonly title: string;
  readonly verdict: "holds" | "violated" | "not checked";
  /** Rows, events or operations looked at. */
  readonly checked: number;
  /** Why it was not checked. */
  readonly why?: string;
  /** The first few violations; `violations` counts all. */
  readonly evidence: readonly Evidence[];
  readonly violations: number;
  /** What is worth knowing and breaks no promise. */
  readonly remarks: readonly string[];
}

export interface Evidence {
  readonly executionId?: string;
  readonly runId?: string;
  readonly detail: string;
}

const mostEvidence = 5;

/** Collects what is found about one invariant. */
export class Tally {
  readonly #invariant: InvariantId;
  readonly #title: string;
  readonly #evidence: Evidence[] = [];
  readonly #remarks: string[] = [];
  #checked = 0;
  #violations = 0;
  #why: string | undefined;

  constructor(invariant: InvariantId, title: string) {
    this.#invariant = invariant;
    this.#title = title;
  }

  looked(count = 1): void {
    this.#checked += count;
  }

  violated(evidence: Evidence, count = 1): void {
    this.#violations += count;
    if (this.#evidence.length < mostEvidence) this.#evidence.push(evidence);
  }

  remark(text: string): void {
    this.#remarks.push(text);
  }

  notChecked(why: string): void {
    this.#why = why;
  }

  report(): InvariantReport {
    const checked = this.#violations > 0 ? "violated" : this.#why === undefined ? "holds" : "not checked";
    return {
      invariant: this.#invariant,
      title: this.#title,
      verdict: checked,
      checked: this.#checked,
      ...(checked === "not checked" ? { why: this.#why! } : {}),
      evidence: this.#evidence,
      violations: this.#violations,
      remarks: this.#remarks,
    };
  }
}
