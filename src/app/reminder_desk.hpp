// The server's way to the courier: what the reminder book says is due is asked of it, over
// run/courier.sock. A courier that is away is no loss: all that it had not answered is asked again,
// under the same id.
//
// INVARIANT: nothing goes this way but keys::Remind: the courier writes the text.
#pragma once

#include <memory>
#include <string>

#include "api/reminder_book.hpp"
#include "api/service.hpp"
#include "io/frame.hpp"

namespace callward::app {

class ReminderDesk {
 public:
  static constexpr std::int64_t kTickMs = 1'000;
  static constexpr std::int64_t kGreetMs = 8'000;
  static constexpr std::int64_t kAnswerMs = 5'000;  // beyond the deadline: for its last word

  ReminderDesk(io::Loop& loop, api::Service& service, api::ReminderBook& book, std::string socket);
  ~ReminderDesk();
  void start();
  [[nodiscard]] std::string status_json();

 private:
  void greet();
  void tick();
  void told(const std::string& why);
  void send(const api::ReminderBook::Letter& letter);

  io::Loop& loop_;
  api::Service& service_;
  api::ReminderBook& book_;
  io::Client courier_;
  io::Loop::TimerId timer_ = 0;
  bool greeted_ = false;
  std::string trouble_;
};

}  // namespace callward::app
