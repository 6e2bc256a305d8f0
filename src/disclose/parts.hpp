// Who has to do with a request: one answer for the office, for what opens recordings, and for the
// rule over the log's entries (log_rules), which judges anew by chart and chain and asks the same.
// The server's may_see (api/customer_helpers) is another question: by a session's roles and by whom
// the requester answers to it says who sees that a request is there and how it stands, never what
// was said or heard. And who acts on a customer's data without a request.
#pragma once

#include "disclose/request.hpp"

namespace callward::disclose {

// Took a step of it that only one person takes: asked, verified, released.
bool has_part(const Request& request, const PersonId& person);
// May look at all of it, without a part in it: authorised persons, the owner, and those whom the
// requester answers to. Who has left the chart answers for nothing.
bool answers_for(const people::Chart& chart, const PersonId& person, const Request& request);
// What was said with a step: who has a part, or answers for it; the same while the request runs and
// once it is settled (a requester learns why it was declined, a manager looks it up). An auditor
// reads the log, where the words are a hash.
bool may_read_words(const people::Chart& chart, const PersonId& person, const Request& request);

// Who is at the telephone with callers, and types what they say.
inline constexpr auto kTakesCalls = static_cast<people::Roles>(
    people::bit(people::Role::kAgent) | people::bit(people::Role::kTechnician));
// Who does what to a customer's data, by their roles: `kServes` closes a case and has a value
// erased, `kAssigns` gives a case to a technician, `kLeads` has everything erased, two of them, and
// sets and lifts a legal hold.
inline constexpr auto kLeads = static_cast<people::Roles>(people::bit(people::Role::kSupervisor) |
                                                          people::bit(people::Role::kOwner));
inline constexpr auto kAssigns =
    static_cast<people::Roles>(kLeads | people::bit(people::Role::kAgent));
inline constexpr auto kServes =
    static_cast<people::Roles>(kAssigns | people::bit(people::Role::kTechnician));

// Typed values that are looked up in a day. Of one person: one a minute of a working day, all day.
// Of all: so many for each who takes calls, which is twice a busy day of theirs, or what a small
// company may need on its busiest. It is a bound on guessing, whoever's names the guesses bear.
inline constexpr std::size_t kLookUpsPerDay = 500;
inline constexpr std::size_t kLookUpsPerDayOfEach = 100, kLookUpsPerDayAllMin = 2'000;
std::size_t look_ups_per_day(const people::Chart& chart);  // of all
// ... and by the number of one's own call that runs, of one person: ten times as many calls as a
// busy day has. Numbers can be spoofed, so that who rings one's telephone is a guess, too.
inline constexpr std::size_t kCallerLookUpsPerDay = 1'000;

// Erasures of what is no secret, of one field or of all of a customer, that one person orders in a
// day: nobody signs them. Some thirty customers whose fields go one by one, which no desk has.
inline constexpr std::size_t kErasuresPerDay = 200;
// So long after one person wanted all of a customer gone another one may confirm it: over a
// holiday, and while the first one still knows why.
inline constexpr std::int64_t kErasureProposedMs = 7 * 86'400'000ll;

}  // namespace callward::disclose
