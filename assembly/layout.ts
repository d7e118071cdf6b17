/**
 * Every byte that kernels and `src/` both know, once: the head of a plan's table, a job, segments, cells, and tapes.
 */

/**
 * The head of a plan's table (`planImage` in src/plan/image.ts): slots of 16 bytes, each value four times, so that one load fills all lanes.
 * The first five and the address mask serve cells; then the search, the specials, and the periodic section.
 */
export const LOWEST: usize = 0;
export const HIGHEST: usize = 16;
export const INVERSE_WIDTH: usize = 32;
export const MAGIC: usize = 48;
export const CELL_WIDTH: usize = 64;
export const ADDRESS_BITS: usize = 80;
export const HALF: usize = 96;
/** A vector's header, where its lanes belong to different channels: the slots up to HALF, then the tables' addresses (assembly/channels.ts). */
export const GROUP_TABLES: usize = 96;
export const GROUP_BYTES: usize = 112;
export const BOUNDS: usize = 112;
export const ROWS: usize = 128;
export const AT_ZERO: usize = 144;
export const SLOPE_BELOW_ZERO: usize = 160;
export const SLOPE_ABOVE_ZERO: usize = 176;
export const LIMIT_LOW: usize = 192;
export const LIMIT_HIGH: usize = 208;
/** From this |x| on the function is a trend plus a periodic part; Infinity if it is not. */
export const PERIODIC_FROM: usize = 224;
/** Beyond this |x| the phase is not known: the periodic part is replaced by a constant. */
export const PERIODIC_TO: usize = 240;
export const INVERSE_PERIOD: usize = 256;
/** Seven parts of the period of 7 bits each, and what is left of it, to 73 bits. */
export const PERIOD: usize = 272;
/** The trend's slope: 12 leading bits, and the rest. */
export const TREND: usize = 400;
export const TREND_LOW: usize = 416;
/** The constant. */
export const MIDDLE: usize = 432;
/** Where the search among the periodic part's segments begins: the step, the address of their bounds, the address of their rows. */
export const PERIODIC_HALF: usize = 448;
export const PERIODIC_BOUNDS: usize = 464;
export const PERIODIC_ROWS: usize = 480;
export const PLAN_HEAD_BYTES: usize = 496;

/** A row of a segment (`segmentPolynomial`): {centre, h0, h1, c0, c1, c2, c3, c4}; the low 8 bits of h1 are the scale's. */
export const ROW_SHIFT: i32 = 5;
export const SCALE_BITS: i32 = 0xff;
/** In the place of a scale: the result is infinite, with the sign of h0. */
export const SATURATED: i32 = 0;
/** Scale 1. */
export const UNSCALED: i32 = 127;

/**
 * A tape: how many instructions, and which holds the result; then instructions of 16 bytes: {operation, a, b, constants}, the last a byte
 * offset from the tape's start. The first is `X`.
 */
export const TAPE_COUNT: usize = 0;
export const TAPE_RESULT: usize = 4;
export const TAPE_HEAD_BYTES: usize = 16;
export const INSTRUCTION_BYTES: usize = 16;

/** Operations. `SECOND` stands behind those with two results, and names nothing. */
export const X: i32 = 0;
/** {value} */
export const CONSTANT: i32 = 1;
export const ADD: i32 = 2;
export const SUBTRACT: i32 = 3;
export const MULTIPLY: i32 = 4;
export const DIVIDE: i32 = 5;
/** {value} */
export const ADD_CONSTANT: i32 = 6;
/** {value} */
export const TIMES_CONSTANT: i32 = 7;
export const EXP: i32 = 8;
export const LOG: i32 = 9;
/** {exponent} of a positive number. */
export const POWER: i32 = 10;
/** Sine, then cosine. */
export const SIN: i32 = 11;
/** Logistic function, then its derivative. */
export const SIGMOID: i32 = 12;
/** Tangent, then its derivative. */
export const TANH: i32 = 13;
export const SECOND: i32 = 14;
/** {degree} {c0} {c1} … of x itself. */
export const POLYNOMIAL: i32 = 15;
/** {x0} {v0} {y0} {w0} {slope in} {slope out} {gain}: a piece of a CPAB flow. */
export const FLOW: i32 = 16;
/** Of g, whose derivative is b·g′: the value by its own function. From here on. */
export const EXPM1: i32 = 17;
export const LOG1P: i32 = 18;
export const SOFTPLUS: i32 = 19;
export const NORMAL: i32 = 20;
export const ABOVE_HALF: i32 = 21;
export const ATAN: i32 = 22;
/** φ(x), of x itself. */
export const DENSITY: i32 = 23;
/** What each value of a constant takes: {high, low, error}. */
export const VALUE_BYTES: usize = 24;

/** Taylor coefficients are computed up to u^(TERMS-1). */
export const TERMS: i32 = 12;
/** A register of the interpreter: the coefficients, then these. */
export const LOW: usize = 96;
export const VALUE_ERROR: usize = 104;
export const NORM: usize = 112;
export const SERIES_ERROR: usize = 120;
export const DISC: usize = 128;
export const EXTRA: usize = 136;
export const REGISTER_BYTES: usize = 144;
/** A tape has at most so many instructions. */
export const MOST_INSTRUCTIONS: i32 = 1024;

/** A job of `fit` and `fillCells`: what kind of piece, where its tape and the interpreter's registers are. */
export const KIND: usize = 0;
/** intercept + slope·x about 0, |intercept| ≤ |slope·x|/16 throughout; slope 0: the constant. Each {high, low}. */
export const LINEAR: i32 = 0;
export const TAPE: i32 = 1;
/** The constant ±Infinity, with the sign of the slope. */
export const INFINITE: i32 = 2;
export const TAPE_AT: usize = 4;
/** The float32 inputs to which the piece applies, both included. */
export const FIRST: usize = 8;
export const LAST: usize = 16;
export const SLOPE: usize = 24;
export const INTERCEPT: usize = 40;
/** How far a linear piece may be from the function, as a share of |slope·x|, or absolute if the slope is 0. */
export const REST: usize = 56;
/** Edges of intervals are odd multiples of OFFSET away from the multiples of INTERVAL, which is at most that wide within ±16. */
export const OFFSET: usize = 64;
export const INTERVAL: usize = 72;
/** Where segments go, how many there are already, for how many there is room; where the registers are. */
export const SEGMENTS: usize = 80;
export const COUNT: usize = 84;
export const ROOM: usize = 88;
export const REGISTERS: usize = 92;
/** What comes back: an x at which no segment fits, not even one for it alone; NaN if there is none. */
export const STUCK: usize = 96;
/** The period by which x was reduced, or 0: what an offset then is off by (assembly/fit.ts, `reachOf`). */
export const WRAPPED: usize = 104;
/** For cells: cell k is centred on k·WIDTH; numbers of the first and last cell of the grid, and of those to fill; where their rows go. */
export const WIDTH: usize = 112;
export const FIRST_CELL: usize = 120;
export const LAST_CELL: usize = 124;
export const FROM_CELL: usize = 128;
export const TO_CELL: usize = 132;
export const CELL_ROWS: usize = 136;
/** What comes back: how many cells are left to the segments; their largest bounds, as a segment's, each with its place. */
export const UNUSED: usize = 140;
export const WORST_LARGE: usize = 144;
export const WORST_LARGE_AT: usize = 152;
export const WORST_SMALL: usize = 160;
export const WORST_SMALL_AT: usize = 168;
export const WORST_TINY: usize = 176;
export const WORST_TINY_AT: usize = 184;
/** Room to work. */
export const WORK: usize = 192;
export const JOB_BYTES: usize = 640;

/**
 * A segment in memory: its row; its first input; how far the row's polynomial, evaluated without rounding, may be from the function,
 * absolute, negative if the segment starts at a knot; its largest error where |y| ≥ 2⁻⁸ and where 2⁻²⁴ ≤ |y| < 2⁻⁸, in ULP of the true
 * result, and where |y| < 2⁻²⁴, absolute; 0 if there is no such y.
 */
export const SEGMENT_SHIFT: usize = 6;
export const START: usize = 32;
export const SLACK: usize = 36;
export const LARGE_ERROR: usize = 40;
export const SMALL_ERROR: usize = 44;
export const TINY_ERROR: usize = 48;
