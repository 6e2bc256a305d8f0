// The built console, read once at start and served from memory: no path of a request ever touches a
// disk.
#pragma once

#include <map>
#include <string>

#include "api/http.hpp"
#include "base/vfs.hpp"

namespace callward::api {

class StaticFiles {
 public:
  static constexpr std::size_t kFilesMax = 2'000;
  static constexpr std::size_t kFileBytesMax = 16u << 20;
  // An absent folder gives an empty set: the API works without a console, and "/" says what is
  // missing.
  static Result<StaticFiles> load(Vfs& vfs, const std::string& dir);
  // Of a GET that is not the API's. Unknown paths without a dot get the console's page (it routes
  // by itself).
  [[nodiscard]] Response serve(const Request& request) const;

 private:
  struct File {
    std::string content, type, etag;
    bool immutable = false;  // its name carries its hash
  };
  std::map<std::string, File> files_;
};

// On every answer: no framing, no sniffing, no referrer; scripts and styles from here alone.
std::vector<std::pair<std::string, std::string>> security_headers();

}  // namespace callward::api
