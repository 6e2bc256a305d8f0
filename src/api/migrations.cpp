#include "api/migrations.hpp"

#include <iterator>

#include "api/catalog.hpp"
#include "api/customer_tables.hpp"
#include "api/reminder_book.hpp"
#include "api/roster.hpp"
#include "people/people.hpp"

namespace callward::api {
namespace {

// An alarm is found at a start however many were asked since; where an owner is alarmed is what
// a passkey has signed.
std::vector<std::string> alarm_migrations() {
  return {"ALTER TABLE requests ADD COLUMN broken_at INTEGER NOT NULL DEFAULT 0;",
          "ALTER TABLE people_mail ADD COLUMN by_passkey INTEGER NOT NULL DEFAULT 0;",
          // Which limits were in force when, and what was broken open: read anew from the log.
          "DELETE FROM log_read WHERE what = 'customers';"};
}

}  // namespace

std::vector<std::string> server_migrations() {
  std::vector<std::string> all;
  for (auto* steps :
       {people::migrations, catalog_migrations, people::later_migrations, customer_migrations,
        reminder_migrations, customer_later_migrations, people::latest_migrations, alarm_migrations,
        call_trail_migrations, roster_migrations, people::enrolling_migrations})
    std::ranges::move(steps(), std::back_inserter(all));
  return all;
}

}  // namespace callward::api
