// The query part of the address, as it is written there. (wouter's own useSearch decodes it once too often
// for values that hold a percent sign.)
import { useMemo } from 'preact/hooks';
import { useSearch } from 'wouter-preact/use-browser-location';

export function useQueryParams(): URLSearchParams {
  const search = useSearch();
  return useMemo(() => new URLSearchParams(search), [search]);
}

/** A path with the parameters, without a lone question mark. */
export function address(path: string, params: URLSearchParams): string {
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}
