// The days that key figures are computed for: those of the years 1 to 9999, in any time zone. Moments outside belong to
// no day, as infinity does; so no day begins or ends where a timestamp cannot.
#pragma once

#include "compat.h"

extern "C" {
#include "datatype/timestamp.h"
#include "utils/date.h"
}

namespace opsadmin {

// Days since 2000-01-01, as dates are stored.
constexpr DateADT first_kpi_day = -730119;
constexpr DateADT last_kpi_day = 2921939;

// No time zone is further from UTC than eight days.
constexpr TimestampTz first_kpi_moment = (first_kpi_day - 8) * USECS_PER_DAY;
constexpr TimestampTz last_kpi_moment = (last_kpi_day + 8) * USECS_PER_DAY;

}  // namespace opsadmin
