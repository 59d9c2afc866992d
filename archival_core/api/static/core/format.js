// Numbers, sizes and times for people. Times are shown in UTC, as the ledger has them. What is not known is said to be so.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const WHOLE = new Intl.NumberFormat("en");
const MONEY = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

const missing = (value) => value === null || value === undefined;

export function bytes(value) {
  if (missing(value)) return "unknown";
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
  return missing(value) ? "unknown" : WHOLE.format(value);
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

export function ratio(value) {
  return missing(value) ? "–" : `${value.toFixed(value < 9.95 ? 1 : 0)}×`;
}

export function money(value, currency) {
  // what is less than half a cent is none, and has no sign
  return missing(value) ? "unknown" : `${MONEY.format(Math.abs(value) < 0.005 ? 0 : value)} ${currency}`;
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

export function until(moment) {
  return duration((new Date(moment).getTime() - Date.now()) / 1000);
}

export function clock(moment) {
  return new Date(moment).toLocaleTimeString("en-GB");
}

// To the minute, with its zone.
export function time(moment) {
  return missing(moment) ? "–" : `${new Date(moment).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

export function second(moment) {
  return missing(moment) ? "–" : `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;
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

// ISO 8601 as the API writes ages, in days: its years have 365 of them.
export function ageInDays(text) {
  const match = /^P(?:(\d+)Y)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? "");
  if (!match) return null;
  return [365, 1, 1 / 24, 1 / 1440, 1 / 86400].reduce((sum, days, place) => sum + Number(match[place + 1] ?? 0) * days, 0);
}

// The beginning of what may be long, where all of it stands elsewhere.
export function short(text, most = 24) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

export function shortId(id) {
  return id.slice(0, 8);
}

// What a restore would bring back, from its dry run.
export function restoring(found) {
  const chunks = found.chunks ?? found.archives ?? [];
  return `${plural(chunks.length, "archive")}, ${plural(found.rows, "row")}, about ${bytes(found.source_bytes ?? found.bytes)} in the database.`;
}
