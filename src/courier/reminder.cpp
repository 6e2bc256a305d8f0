#include "courier/reminder.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace callward::courier {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kTimeMax = std::int64_t{1} << 43;  // in the year 2248

struct Template {
  const char* subject;
  const char* text;      // behind "Request 1234abcd "
  const char* until;     // before a time
  bool of_duty = false;  // opens where one goes on duty: the request is not theirs to see
};
constexpr std::array<Template, keys::kWaitsMax> kTemplates = {{
    {"Callward: a request waits for your call-back",
     "was assigned to you and waits for your call-back", "until"},
    {"Callward: a request waits for a release", "is verified and waits for an authorised person",
     "until"},
    {"Callward: a request waits for a second person", "waits for a second authorised person",
     "until"},
    {"Callward: a review is due", "is over and waits for your review", "until"},
    {"Callward: a review is overdue", "waits for a review that is overdue", "since"},
    {"Callward: a request is about to lapse", "still waits for its next step", "and lapses on"},
    {"Callward ALARM: break-glass", "is being broken open, without a call-back", "until"},
    {"Callward: your request is open", "is open for you", "until"},
    {"Callward: your request is confirmed", "is confirmed, and it is your turn", "until"},
    {"Callward: your request was declined", "was declined by an authorised person", "on"},
    {"Callward: your request was refused", "was refused by its expert", "on"},
    {"Callward: your request has lapsed", "has lapsed: nobody took its next step in time", "on"},
    {"Callward: your request was revoked", "was revoked, and nothing of it is open any more", "on"},
    {"Callward: a request was refused by its expert",
     "of somebody who answers to you was refused by its expert", "on"},
    {"Callward: a request waits, and no expert is on duty",
     "waits for an expert, and nobody is on duty who may take it", "until", true},
    {"Callward: a request waits, and there is no expert",
     "waits for an expert, and there is none who may take it", "until"},
    {"Callward: a request waits, and nobody may release it",
     "waits for an authorised person, and there is none who may release it", "until"},
}};

std::string minute_of(std::int64_t utc_ms) {
  using namespace std::chrono;
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_time<milliseconds> at{milliseconds(utc_ms)};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss time{floor<minutes>(at - day)};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%u %s %d, %02d:%02d UTC",
                static_cast<unsigned>(date.day()),
                kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()));
  return text.data();
}

}  // namespace

Result<keys::Deliver> letter_of(keys::Remind asked, const std::string& console) {
  const auto number = static_cast<std::size_t>(asked.waits);
  if (number == 0 || number > kTemplates.size() || asked.until < 0 || asked.until > kTimeMax ||
      asked.request.is_zero())
    return fail(Errc::kMalformed, "no such reminder");
  const auto& said = kTemplates.at(number - 1);
  const auto id = asked.request.hex();
  auto text = "Request " + id.substr(0, 8) + " " + said.text;
  if (asked.until != 0) text += std::string(", ") + said.until + " " + minute_of(asked.until);
  text += ".\n\n" + console + (said.of_duty ? "/me" : "/requests/" + id) + "\n\nSign in there to " +
          (said.of_duty ? "go on duty: it is given to one of those who are" : "see it") +
          ". This reminder says nothing else, and nobody reads answers to it.\n";
  keys::Deliver letter;
  letter.id = asked.id;
  letter.channel = keys::DeliveryChannel::kEmail;
  letter.address = std::move(asked.address);
  letter.subject = said.subject;
  letter.text = SecretBytes(as_bytes(text));
  letter.deadline = asked.deadline;
  return letter;
}

bool HourLimit::may(std::int64_t now) {
  while (!lately_.empty() && lately_.front() <= now - kHourMs) lately_.pop_front();
  if (lately_.size() >= most_) return false;
  lately_.push_back(now);
  return true;
}

}  // namespace callward::courier
