// Whether a list of permissions holds one, as the server reads it: `*` is all, `*:read` is reading anything. Pure.
export function permits(permissions: readonly string[], wanted: string): boolean {
  const verb = wanted.split(':')[1] ?? '';
  return permissions.some((held) => held === '*' || held === wanted || held === `*:${verb}`);
}
