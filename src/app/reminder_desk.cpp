#include "app/reminder_desk.hpp"

#include "base/event_log.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::app {

ReminderDesk::ReminderDesk(io::Loop& loop, api::Service& service, api::ReminderBook& book,
                           std::string socket)
    : loop_(loop),
      service_(service),
      book_(book),
      courier_(loop, std::move(socket),
               io::ChannelLimits{"server.courier.out", keys::kCourierFrameBytesMax, 1u << 20},
               keys::ErrorReply::kType) {}

ReminderDesk::~ReminderDesk() {
  loop_.cancel(timer_);
  courier_.stop();
}

void ReminderDesk::start() {
  courier_.start([this] { greet(); },
                 [this] {
                   greeted_ = false;
                   book_.all_later();
                 },
                 [](io::Frame) {});
  timer_ = loop_.every_ms(kTickMs, [this] { tick(); });
}

void ReminderDesk::greet() {
  courier_.request(keys::Hello{keys::kKeeperProtocolVersion, keys::PeerRole::kServer}, kGreetMs,
                   [this](Result<io::Frame> welcome) {
                     if (welcome) return (void)(greeted_ = true);
                     log_event("server.courier_refused",
                               {{"why", to_string(welcome.error().code)}});
                   });
}

void ReminderDesk::tick() {
  if (auto forgot = book_.forget_old(); !forgot)
    return told(forgot.error().message);  // the database fails: nothing else goes, either
  if (!greeted_ && courier_.connected()) return greet();
  if (!greeted_) return;
  const auto chart = service_.roster.chart();
  if (!chart) return;
  const auto on_duty = service_.people.on_duty();
  if (!on_duty) return told(on_duty.error().message);
  auto letters = book_.turn(**chart, service_.policy.limits, *on_duty);
  told(letters ? std::string() : letters.error().message);
  if (letters)
    for (const auto& letter : *letters) send(letter);
}

void ReminderDesk::told(const std::string& why) {
  if (!why.empty() && why != trouble_) log_event("server.no_reminders", {{"why", why}});
  trouble_ = why;  // once, not each second
}

void ReminderDesk::send(const api::ReminderBook::Letter& letter) {
  keys::Remind asked;
  asked.id = letter.id;
  asked.waits = letter.reminder.waits;
  asked.address = SecretBytes(as_bytes(letter.address));
  asked.request = letter.reminder.request;
  // The courier, and who reads the letter, know the wall clock alone.
  auto& clock = service_.keepers_clock;
  asked.until = clock.wall_ms(letter.reminder.until);
  asked.deadline = clock.wall_ms(letter.deadline);
  const auto wait_ms = letter.deadline - clock.utc_ms() + kAnswerMs;
  courier_.request(asked, wait_ms, [this, id = letter.id](const Result<io::Frame>& reply) {
    const auto refused = [&](const Error& error) {
      if (error.code == Errc::kDenied || error.code == Errc::kMalformed)
        return book_.ended(id, keys::DeliveryOutcome::kRefused, "courier_refused");
      book_.later(id, api::ReminderBook::kAgainMs);
      return Status{};
    };
    auto noted = Status{};
    if (!reply) {
      noted = refused(reply.error());
    } else if (const auto said = unpack<keys::Delivered>(reply->body); said) {
      noted = book_.ended(said->id, said->outcome, said->reason);
    } else {
      noted = refused(said.error());
    }
    if (!noted) log_event("server.reminder_not_noted", {{"why", noted.error().message}});
  });
}

std::string ReminderDesk::status_json() {
  const auto counts = book_.counts();
  if (!counts) return "{\"on\":false}";
  return boost::json::serialize(boost::json::object{{"on", counts->on},
                                                    {"courier", greeted_},
                                                    {"sent", counts->taken},
                                                    {"failed", counts->failed},
                                                    {"waiting", counts->waiting},
                                                    {"without_address", counts->without_address},
                                                    {"failing", counts->failing}});
}

}  // namespace callward::app
