// Any Content-Type with any body: the parts must lie within the body, and the limits must hold.
#include "base/bytes.hpp"
#include "base/check.hpp"
#include "wire/multipart.hpp"

namespace {
bool within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  const auto text = as_text({data, size});
  const auto split = text.find('\n');
  const auto type =
      split == std::string_view::npos ? std::string_view("multipart/mixed") : text.substr(0, split);
  const auto body = split == std::string_view::npos ? text : text.substr(split + 1);
  if (const auto parsed = wire::parse_multipart(type, body)) {
    CHECK(parsed->parts.size() <= wire::kBodyPartsMax);
    for (const auto& part : parsed->parts) CHECK(within(part.body, body));
  }
  if (const auto parsed = wire::parse_siprec_body(type, body)) {
    for (const auto part : parsed->sdp) CHECK(within(part, body));
    for (const auto part : parsed->metadata) CHECK(within(part, body));
  }
  return 0;
}
