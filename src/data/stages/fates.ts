/** What becomes of a row that was read: one byte each, over all parts, in the file `fates` of the work folder. */
export const FATE = { train: 0, validation: 1, exact: 2, near: 3 } as const;
export const FATES = 'fates';
/** For every row the global number of the row that stands for it: itself, unless it is a duplicate. */
export const KEPT_AS = 'kept-as';
