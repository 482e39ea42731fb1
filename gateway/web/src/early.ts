// Runs before the first paint, so that neither the theme nor the accent of the site flashes.
// It must stay tiny: it blocks rendering.
import { applyTheme, storedTheme } from './theme';
import { siteOfPath } from './site-of-path';

applyTheme(storedTheme());
document.documentElement.dataset.site = siteOfPath(location.pathname);
