/** The schema of what signals carry here: takes whatever comes for a number. */
export const anyNumber = { "~standard": { version: 1, vendor: "bench", validate: (value: unknown) => ({ value: value as number }) } } as const;
