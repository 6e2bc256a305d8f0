// Why something was erased: the only words there are, in orders, rows, log entries and on screens.
// An order carries one of them, never the secret nor a hash of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace callward::erase {

// The number is what rows store: append only.
inline constexpr std::array<std::string_view, 16> kReasons = {"password",
                                                              "pin",
                                                              "card",
                                                              "cvv",
                                                              "otp",
                                                              "national_id",
                                                              "spelled_secret",
                                                              "security_answer",
                                                              "secret_like",
                                                              "digits",
                                                              "private",
                                                              "unrecognised",
                                                              "reviewer",
                                                              "customer_request",
                                                              "retention",
                                                              "typed_secret"};

// The keeper's own, when a call's time is over: nobody orders by it.
inline constexpr std::string_view kRetentionReason = "retention";

// Of a call that is closed whole, because too many ranges of it are held.
inline constexpr std::string_view kClosedReason = "secret_like";

// What was typed while the call ran, where it was said (keys/typed_protocol.hpp).
inline constexpr std::string_view kTypedReason = "typed_secret";

// What an agent was private for; the keeper alone gives it (keeper_private.cpp).
inline constexpr std::string_view kPrivateReason = "private";

constexpr std::optional<std::uint8_t> reason_number(std::string_view word) {
  for (std::size_t i = 0; i < kReasons.size(); ++i)
    if (kReasons[i] == word) return static_cast<std::uint8_t>(i);
  return std::nullopt;
}

}  // namespace callward::erase
