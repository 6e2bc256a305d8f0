#include "base/result.hpp"

#include <cerrno>
#include <cstring>

namespace callward {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::kMalformed:
      return "malformed";
    case Errc::kTooLarge:
      return "too_large";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kNotFound:
      return "not_found";
    case Errc::kExists:
      return "exists";
    case Errc::kDenied:
      return "denied";
    case Errc::kErased:
      return "erased";
    case Errc::kUnheard:
      return "unheard";
    case Errc::kCorrupt:
      return "corrupt";
    case Errc::kIo:
      return "io";
    case Errc::kFull:
      return "full";
    case Errc::kBusy:
      return "busy";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kConfig:
      return "config";
    case Errc::kState:
      return "state";
    case Errc::kCrypto:
      return "crypto";
  }
  return "unknown";
}

tl::unexpected<Error> fail_errno(std::string_view what) { return fail_errno(what, errno); }

tl::unexpected<Error> fail_errno(std::string_view what, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EMFILE || error_number == ENFILE ||
                    error_number == EDQUOT;
  return fail(full ? Errc::kFull : Errc::kIo,
              std::string(what) + ": " + std::strerror(error_number));
}

}  // namespace callward
