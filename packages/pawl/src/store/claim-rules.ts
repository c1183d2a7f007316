/** Names that workers have to know before they claim. */
export interface ClaimRuleNames {
  readonly pausedQueues: readonly string[];
  readonly pausedWorkflows: readonly string[];
  readonly limitedQueues: readonly string[];
}
