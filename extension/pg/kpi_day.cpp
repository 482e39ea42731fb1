// Days of a time zone: when one begins, and which one a moment belongs to. A day is an interval from one midnight to
// the next, whatever the clocks do in between. These functions raise no error, whatever the moment or the day: one
// tenant's rows must not stop the refresh of all.
#include "kpi_day.h"

extern "C" {
#include "access/transam.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"
}

namespace opsadmin {

// The day of a timestamp without a zone.
static DateADT DayOf(Timestamp local) {
  return static_cast<DateADT>(local / USECS_PER_DAY - (local % USECS_PER_DAY < 0 ? 1 : 0));
}

static Timestamp LocalTime(TimestampTz moment, Datum zone) {
  return DatumGetTimestamp(DirectFunctionCall2(timestamptz_zone, zone, TimestampTzGetDatum(moment)));
}

// A midnight that the end of summer time repeats is the first of the two; of one that its beginning leaves out, the
// moment after.
static TimestampTz DayStart(DateADT day, Datum zone) {
  const TimestampTz midnight =
      DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, zone, TimestampGetDatum(day * USECS_PER_DAY)));
  const TimestampTz hour_before = midnight - USECS_PER_HOUR;
  return DayOf(LocalTime(hour_before, zone)) == day ? hour_before : midnight;
}

// The time zones of a server may become fewer, with its files.
static bool IsKnown(Datum zone) {
  return pg_tzset(TextDatumGetCString(zone)) != nullptr;
}

OPSADMIN_FUNCTION(opsadmin_day_start) {
  const DateADT day = PG_GETARG_DATEADT(0);
  const Datum zone = PG_GETARG_DATUM(1);
  if (!IsKnown(zone)) PG_RETURN_NULL();
  if (day < first_kpi_day) PG_RETURN_TIMESTAMPTZ(DT_NOBEGIN);
  if (day > last_kpi_day) PG_RETURN_TIMESTAMPTZ(DT_NOEND);
  PG_RETURN_TIMESTAMPTZ(DayStart(day, zone));
}

OPSADMIN_FUNCTION(opsadmin_local_day) {
  const TimestampTz moment = PG_GETARG_TIMESTAMPTZ(0);
  const Datum zone = PG_GETARG_DATUM(1);
  if (moment < first_kpi_moment || moment > last_kpi_moment || !IsKnown(zone)) PG_RETURN_NULL();
  DateADT day = DayOf(LocalTime(moment, zone));
  // Clocks that are put back just after midnight show the day before once more.
  if (DayStart(day + 1, zone) <= moment) day++;
  if (day < first_kpi_day || day > last_kpi_day) PG_RETURN_NULL();
  PG_RETURN_DATEADT(day);
}

// The transaction number that is given next: higher than that of everybody who has written so far. A snapshot's xmax
// may be lower.
OPSADMIN_FUNCTION(opsadmin_next_xid) {
  PG_RETURN_FULLTRANSACTIONID(ReadNextFullTransactionId());
}

}  // namespace opsadmin
