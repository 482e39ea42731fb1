// The query part of the address, as it is written there. (wouter's own useSearch decodes it once too often
// for values that hold a percent sign.)
import { useMemo } from 'preact/hooks';
import { navigate, useSearch } from 'wouter-preact/use-browser-location';

export function useQueryParams(): URLSearchParams {
  const search = useSearch();
  return useMemo(() => new URLSearchParams(search), [search]);
}

/** A path with the parameters, without a lone question mark. */
export function address(path: string, params: URLSearchParams): string {
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Takes one parameter out of the present address. */
export function dropFromAddress(name: string): void {
  const query = new URLSearchParams(location.search);
  if (!query.has(name)) return;
  query.delete(name);
  navigate(address(location.pathname, query), { replace: true });
}
