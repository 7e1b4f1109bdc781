const KEPT = 100;
const SHOWN = 5;

/** A count of rows with the names of the first hundred. */
export class RowList {
  count = 0;
  readonly ids: string[] = [];

  add(id: string): void {
    this.count++;
    if (this.ids.length < KEPT) this.ids.push(id);
  }

  /** `a:1, a:7, a:9 and 12 more` */
  shown(): string {
    const rest = this.count - SHOWN;
    return `${this.ids.slice(0, SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
  }

  toJSON(): { count: number; rows: string[] } {
    return { count: this.count, rows: this.ids };
  }
}
