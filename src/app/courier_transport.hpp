// One try of one letter, by libcurl: SMTP to the mail server, HTTPS to the gateway. It blocks, and
// may be used by several threads at once. What the outcome means is courier/verdict.
//
// The credential files are read for each try: one that was mended or exchanged needs no restart.
// No proxy, no redirection, no netrc: it connects to where the configuration says, by TLS 1.2 or
// later with the certificate checked, or not at all (plainly to a loopback address alone).
#pragma once

#include <atomic>

#include "app/config.hpp"
#include "base/clock.hpp"
#include "base/vfs.hpp"
#include "courier/letter.hpp"
#include "courier/verdict.hpp"

namespace callward::app {

class CourierTransport {
 public:
  CourierTransport(const CourierConfig& config, Vfs& vfs, Clock& clock)
      : config_(config), vfs_(vfs), clock_(clock) {}
  static Status init();  // once, before threads and sandbox

  courier::Attempt mail(const courier::Letter& letter, std::int64_t ms_max);
  courier::Attempt sms(const courier::Letter& letter, std::int64_t ms_max);
  // Tries that run end within a second or so, as if the time were over.
  void stop() { stopping_ = true; }

 private:
  const CourierConfig& config_;
  Vfs& vfs_;
  Clock& clock_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace callward::app
