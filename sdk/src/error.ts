/** What a {@link HeirloomError} tells beside its code. */
export interface ErrorDetails {
  /** The status that the server answered with. */
  status?: number;
  /** Seconds until it is worth trying again. */
  retryAfter?: number;
  /** With `mfa_required`: what there is. */
  methods?: string[];
  cause?: unknown;
}

/**
 * Whatever goes wrong. `code` is one of those in the README, or the server's own (`invalid_grant`, `access_denied`, …);
 * the message is a sentence for people where it is the server's, and for developers otherwise.
 */
export class HeirloomError extends Error {
  override name = "HeirloomError";
  readonly code: string;
  declare readonly status?: number;
  declare readonly retryAfter?: number;
  declare readonly methods?: string[];

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    Object.assign(this, details);
  }
}
