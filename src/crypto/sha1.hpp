// SHA-1 (FIPS 180-4), as a name in lists that others made. It protects nothing here.
#pragma once

#include <array>

#include "base/bytes.hpp"

namespace callward::crypto {

std::array<std::uint8_t, 20> sha1(ByteView bytes);

}  // namespace callward::crypto
