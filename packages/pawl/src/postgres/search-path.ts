/**
 * Where Pawl's statements and functions find its tables. Where it is not named, PostgreSQL looks for tables among a session's temporary ones
 * first: one called `tasks` would be taken for Pawl's.
 */
export function searchPath(schema: string): string {
  return `"${schema}", pg_temp`;
}
