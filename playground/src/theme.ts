import { useEffect, useState } from 'preact/hooks';

/** A colour of the style sheet, for what is painted on a canvas. */
export const color = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function useMedia(query: string): boolean {
  const [matches, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const listen = () => set(list.matches);
    list.addEventListener('change', listen);
    return () => list.removeEventListener('change', listen);
  }, [query]);
  return matches;
}

export const usesDark = () => useMedia('(prefers-color-scheme: dark)');
/** Canvases are painted again for paper. */
export const isPrinting = () => useMedia('print');
export const prefersStill = () => useMedia('(prefers-reduced-motion: reduce)');
