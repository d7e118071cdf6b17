/**
 * A module that is there at run time, or is not: Node's own, or an optional peer. Bundlers must not look for it, so they may not see its
 * name: this function stands in a file that others import, where no minifier puts the two together.
 */
export function importByName<T>(name: string): Promise<T> {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ name);
}
