/** Where progress is shown: stderr, so that a command's result can be piped. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressState {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
}

const BAR_WIDTH = 30;

/** A bar that redraws itself on a terminal; elsewhere (a log, a CI job) a line for each tenth that is done. */
export class ProgressBar {
  readonly #output: ProgressOutput;
  readonly #title: string;
  #shown = "";
  #tenth = -1;

  constructor(title: string, output: ProgressOutput = process.stderr) {
    this.#title = title;
    this.#output = output;
  }

  update(state: ProgressState): void {
    if (this.#output.isTTY === true) this.#redraw(state);
    else this.#log(state);
  }

  /** Leaves the last state on the screen and the cursor below it. */
  stop(): void {
    if (this.#output.isTTY === true && this.#shown !== "") this.#output.write("\n");
    this.#shown = "";
  }

  #redraw(state: ProgressState): void {
    // A line longer than the terminal would wrap, and each redraw would leave a line behind.
    const line = `${this.#title} ${bar(state)} ${describe(state)}`.slice(0, (this.#output.columns ?? 80) - 1);
    if (line === this.#shown) return;
    this.#shown = line;
    this.#output.write(`\r\u001b[2K${line}`);
  }

  #log(state: ProgressState): void {
    const tenth = Math.floor(fraction(state) * 10);
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    this.#output.write(`${this.#title} ${describe(state)}\n`);
  }
}

function bar(state: ProgressState): string {
  const filled = Math.round(fraction(state) * BAR_WIDTH);
  return `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}`;
}

function describe(state: ProgressState): string {
  const failed = state.failed === 0 ? "" : `, ${state.failed} failed`;
  return `${Math.floor(fraction(state) * 100)} % (${state.done} of ${state.total} files${failed})`;
}

function fraction({ done, total }: ProgressState): number {
  return total === 0 ? 1 : Math.min(done / total, 1);
}
