// The certificate that `callward init` makes so that HTTPS works before a company installs its own.
#pragma once

#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/vfs.hpp"

namespace callward::app {

// ECDSA P-256, valid 825 days from a day ago; `names` become subjectAltName entries (IP addresses
// as such). Writes PEM files, the key 0600. kExists if either is there.
Status write_self_signed(Vfs& vfs, Clock& clock, const std::string& certificate_file,
                         const std::string& key_file, const std::vector<std::string>& names);

}  // namespace callward::app
