/** How steps reach the effect server. */
import { Agent, request } from "node:http";
import type { StepContext } from "pawl";
import type { EffectRecord } from "pawl/internal";
import { honestNow } from "./honest-clock.ts";

export interface Effects {
  /** Gives how often this step has begun, this time included. */
  begin(step: StepContext): Promise<number>;
  end(step: StepContext): Promise<void>;
  /** Waits until the rig opens the gate. */
  pass(gate: string): Promise<void>;
}

export function effectsAt(url: string): Effects {
  const agent = new Agent({ keepAlive: true });
  const tell = async (step: StepContext, phase: EffectRecord["phase"]): Promise<number> => {
    const key = step.idempotencyKey;
    const position = Number(key.slice(key.lastIndexOf("/") + 1));
    const line: EffectRecord = { key, executionId: step.executionId, position, attempt: step.attempt, pid: process.pid, phase, at: honestNow() };
    return Number(await post(agent, `${url}/effect`, JSON.stringify(line)));
  };
  return {
    begin: (step) => tell(step, "begin"),
    end: async (step) => void (await tell(step, "end")),
    pass: async (gate) => void (await post(agent, `${url}/gate/${gate}`, "")),
  };
}

function post(agent: Agent, url: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", agent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
