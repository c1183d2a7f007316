/**
 * Seeded randomness for `ctx.random()` and `ctx.uuid()`: xoshiro128** whose whole state is a hash of the seed, so that two
 * executions share a sequence no sooner than two random UUIDs are equal. Deterministic and well spread; not for secrets.
 */
export class SeededRandom {
  #seed: string;
  /** Made by the first call: most runs ask for no number, and hashing costs more than the rest of a replay's start. */
  #state: [number, number, number, number] | undefined;

  constructor(seed: string) {
    this.#seed = seed;
  }

  /** Begins another sequence. */
  reseed(seed: string): void {
    this.#seed = seed;
    this.#state = undefined;
  }

  uint32(): number {
    const s = (this.#state ??= hash(this.#seed));
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** In [0, 1) with 53 bits. */
  next(): number {
    return ((this.uint32() >>> 5) * 67_108_864 + (this.uint32() >>> 6)) / 9_007_199_254_740_992;
  }

  uuid(): string {
    const hex = [0, 0, 0, 0].map(() => this.uint32().toString(16).padStart(8, "0")).join("");
    const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}

/** Four 32-bit hashes with different multipliers, mixed with each other at the end: 128 bits that all depend on all input. */
function hash(seed: string): [number, number, number, number] {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x3c6ef372];
  for (let i = 0; i < seed.length; i++) {
    const unit = seed.charCodeAt(i);
    a = b ^ Math.imul(a ^ unit, 0x239b961b);
    b = c ^ Math.imul(b ^ unit, 0xab0e9789);
    c = d ^ Math.imul(c ^ unit, 0x38b34ae5);
    d = a ^ Math.imul(d ^ unit, 0xa1e38b93);
  }
  a = avalanche(c ^ (a >>> 18));
  b = avalanche(d ^ (b >>> 22));
  c = avalanche(a ^ (c >>> 17));
  d = avalanche(b ^ (d >>> 19));
  // The generator would stay at zero for ever from an all-zero state.
  return [a ^ b ^ c ^ d, b ^ a, c ^ a, (d ^ a) | 1];
}

function avalanche(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
