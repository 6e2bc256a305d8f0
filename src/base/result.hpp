// Errors are values. `Result<T>` holds a T or an Error; `TRY(expr)` unwraps it or returns the Error
// to the caller. Exceptions never cross a folder of src/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace callward {

// What went wrong, coarse enough to act upon. The message says it in words for a person.
enum class Errc : std::uint8_t {
  kMalformed,    // a peer's bytes or a file's bytes break their format
  kTooLarge,     // over a named limit
  kUnsupported,  // well formed, but of a version or kind that we do not speak
  kNotFound,     // no such call, row, file, user
  kExists,       // already there, and may not be replaced
  kDenied,       // not allowed: role, grant, or a rule of erasing
  kErased,       // was there; its key is gone
  kUnheard,      // the listener has not cleared it yet
  kCorrupt,      // a checksum, commitment, tag or Merkle root does not match
  kIo,           // the operating system refused; errno is in the message
  kFull,         // no space, no descriptor, no port, queue at its bound
  kBusy,         // try again later
  kTimeout,      // no answer in time
  kUnavailable,  // a process that we need is not there
  kConfig,       // configuration or command line is wrong
  kState,        // not legal in the present state
  kCrypto,       // a cryptographic library refused
};

std::string_view to_string(Errc code) noexcept;

struct [[nodiscard]] Error {
  Errc code;
  std::string message;  // for people; never holds a secret, a digit or a name of a customer
};

// tl::expected, and an outcome that the compiler does not let anybody drop.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};
using Status = Result<void>;

[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
// The current errno in words behind `what`. kFull for ENOSPC, EMFILE, ENFILE, EDQUOT; else kIo.
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string_view what);
[[nodiscard]] tl::unexpected<Error> fail_errno(std::string_view what, int error_number);

namespace detail {
template <class T>
T take(tl::expected<T, Error>& result) {
  return std::move(*result);
}
inline void take(tl::expected<void, Error>&) {}
}  // namespace detail

}  // namespace callward

// auto value = TRY(f());   TRY(g());   Inside a function that returns a Result.
#define TRY(...) CALLWARD_TRY_NAMED(CALLWARD_TRY_JOIN(callward_try_, __COUNTER__), __VA_ARGS__)
#define CALLWARD_TRY_JOIN(a, b) CALLWARD_TRY_JOIN_AGAIN(a, b)
#define CALLWARD_TRY_JOIN_AGAIN(a, b) a##b
#define CALLWARD_TRY_NAMED(name, ...)                                      \
  __extension__({                                                          \
    auto name = (__VA_ARGS__);                                             \
    if (!name) [[unlikely]]                                                \
      return ::tl::unexpected<::callward::Error>(std::move(name.error())); \
    ::callward::detail::take(name);                                        \
  })
