// The address to return to after sign-in. It comes from the URL, so it must stay inside this site.
export function safeNext(next: string | null): string {
  return next !== null && /^\/(?![/\\])/.test(next) && !next.startsWith('/sign-in') ? next : '/';
}
