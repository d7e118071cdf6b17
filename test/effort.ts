/**
 * How many of `all` tries a test makes: every fourth in `npm test`, which is run after every change, and all where THOROUGH is set, as in
 * `npm run test:thorough`. Only for what is drawn or spread evenly; named cases are never left out.
 */
export const tries = (all: number): number => (process.env.THOROUGH ? all : Math.ceil(all / 4));
