// What figures mean that are told in more than one place, for the tooltips.

export const FREED = "What left the database and is still out: what a restore has brought back is not in it.";
export const FREED_THIS_MONTH = "Of what is freed, the part that left the database since the first of this month (UTC). A restore takes it out of both.";
export const SAVED = "What is freed would cost this much a month in the database, less what all archives cost in the lake.";
