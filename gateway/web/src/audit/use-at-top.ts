// Whether the window shows the top of its page: what follows pauses while somebody reads further down.
import { useEffect, useState } from 'preact/hooks';

const NEAR = 160;

export function useAtTop(): boolean {
  const [atTop, setAtTop] = useState(() => scrollY < NEAR);
  useEffect(() => {
    const look = () => setAtTop(scrollY < NEAR);
    addEventListener('scroll', look, { passive: true });
    return () => removeEventListener('scroll', look);
  }, []);
  return atTop;
}
