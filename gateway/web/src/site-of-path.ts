// The two sites share one page; the first part of the path tells them apart.
export type Site = 'internal' | 'partner';

export function siteOfPath(path: string): Site {
  return path === '/partner' || path.startsWith('/partner/') ? 'partner' : 'internal';
}
