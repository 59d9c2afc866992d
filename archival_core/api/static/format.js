// Numbers, sizes and times for people. Times are shown in UTC, as the ledger has them.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const WHOLE = new Intl.NumberFormat("en");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  let unit = 0;
  let amount = value;
  while (amount >= 999.5 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return `${amount.toFixed(digits)} ${UNITS[unit]}`;
}

export function count(value) {
  return value === null || value === undefined ? "–" : WHOLE.format(value);
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function ratio(value) {
  return value === null || value === undefined ? "–" : `${value.toFixed(value < 9.95 ? 1 : 0)}×`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${count(Math.round(seconds / 86400))} days`;
}

export function since(moment) {
  return duration((Date.now() - new Date(moment).getTime()) / 1000);
}

export function clock(moment) {
  return new Date(moment).toLocaleTimeString("en-GB");
}

export function day(text) {
  return DAY.format(new Date(`${text}T00:00:00Z`));
}

export function date(seconds) {
  const found = new Date(seconds * 1000);
  return Number.isNaN(found.getTime()) ? "" : DATE.format(found);
}

// A range as short as it can be told: a day as its date, bounds without midnight.
export function range({ start, end }) {
  if (start === null && end === null) return "all of time";
  const short = (bound) => (bound === null ? "…" : bound.replace("T00:00:00Z", "").replace("T", " ").replace("Z", ""));
  const whole = start !== null && end !== null && !short(start).includes(" ") && Date.parse(end) - Date.parse(start) === 86400000;
  return whole ? short(start) : `${short(start)} to ${short(end)}`;
}

// The chunk without its schema, which is the same for all of TimescaleDB's.
export function chunk(name) {
  return name.replace(/^_timescaledb_internal\./, "");
}
