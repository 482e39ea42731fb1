// What a drawing on a canvas needs of the page: the library, the width, the colours, and when these change.
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

type Library = typeof import('./plot');

/** uPlot and what draws with it, once it is loaded. */
export function usePlotLibrary(): Library | 'failed' | null {
  const [library, setLibrary] = useState<Library | 'failed' | null>(null);
  useEffect(() => {
    let here = true;
    import('./plot').then((loaded) => here && setLibrary(loaded), () => here && setLibrary('failed'));
    return () => {
      here = false;
    };
  }, []);
  return library;
}

export function useWidth(frame: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Counts the changes of theme, whether chosen here or by the device: a canvas does not follow the style sheet. */
export function useThemeTurn(): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const change = () => setTurn((n) => n + 1);
    const observer = new MutationObserver(change);
    observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    const device = matchMedia('(prefers-color-scheme: dark)');
    device.addEventListener('change', change);
    return () => {
      observer.disconnect();
      device.removeEventListener('change', change);
    };
  }, []);
  return turn;
}

/** A colour of the style sheet as a canvas understands it. */
export function colourOf(element: HTMLElement, text: string): string {
  const probe = document.createElement('i');
  probe.style.color = text;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
