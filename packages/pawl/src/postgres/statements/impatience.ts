const giveUpAfter = (ms: number): string => `, set_config('lock_timeout', '${ms}ms', true) AS impatience`;

/**
 * Part of a statement's first common table expression: the statement gives up on a lock that it does not get soon. For starts whose id or key
 * an open transaction may have taken: whether it is taken will be known when that ends, and a connection is not for waiting so long.
 */
export const impatience = {
  /** For one start, which is tried again now and then: the less it waits, the more the others get of a single connection. */
  alone: giveUpAfter(50),
  /** For many, which would have to be sent one by one: longer than a commit takes on a slow disk, whose locks are waited for as well. */
  together: giveUpAfter(250),
} as const;
