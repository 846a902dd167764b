/** RFC 3339 with whole seconds, UTC: how metav1.Time is written. */
export function formatTime(ms: number): string {
  const second = Math.floor(ms / 1000);
  // A write asks several times within the same second, and making the text is dear.
  if (second !== lastSecond) {
    lastText = `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastText;
}

let lastSecond = Number.NaN;
let lastText = '';

/** RFC 3339 with microseconds, UTC: how metav1.MicroTime is written. */
export function formatMicroTime(ms: number): string {
  const micros = Math.floor((ms % 1) * 1000);
  return `${new Date(ms).toISOString().slice(0, 23)}${String(micros).padStart(3, '0')}Z`;
}

/** Milliseconds since the epoch; undefined for an absent time. */
export function parseTime(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text);
}
