export interface FamilyErrors {
  readonly family: string;
  /** How many golden files. */
  readonly cases: number;
  /** In ULP of results from 2⁻⁸ on: seen, proved, and those of the released code. */
  readonly worst: number;
  readonly certified: number;
  readonly released: number;
  /** NaN and ∞ of the released code where the truth is a number. */
  readonly nan: number;
  /** Why a case has no value. */
  readonly refused?: string;
}

export function worstErrors(folder: URL): FamilyErrors[];
