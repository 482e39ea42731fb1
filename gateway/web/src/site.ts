// The site that this page was loaded for. Nothing here decides what a site may do: the database does.
import { siteOfPath, type Site } from './site-of-path';

export const site: Site = siteOfPath(location.pathname);
export const base = site === 'partner' ? '/partner' : '/admin';
export const apiBase = `/api/v1${base}`;
