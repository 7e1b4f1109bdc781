export { makeFilters } from './filters.ts';
