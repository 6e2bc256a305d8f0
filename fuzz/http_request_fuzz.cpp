// What of a request the API reads itself: address, range, cookies, JSON body, query numbers. The
// first byte says which.
#include "api/router.hpp"
#include "base/check.hpp"

namespace {

using namespace callward;

void read_target(std::string_view text) {
  api::Request request;
  if (!api::parse_target(text, request)) return;
  CHECK(!request.path.empty() && request.path[0] == '/');
  CHECK(request.query.size() <= 64);
  for (const char c : request.path) CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  for (const auto& [name, value] : request.query) {
    const auto number = api::query_number(request, name, 1, -5, 1'000);
    CHECK(!number || (*number >= -5 && *number <= 1'000));
  }
}

void read_range(std::string_view text) {
  for (const std::uint64_t size : {0ull, 1ull, 1'000ull, ~0ull}) {
    const auto range = api::parse_range("bytes=" + std::string(text), size);
    if (range && *range) CHECK((*range)->first <= (*range)->last && (*range)->last < size);
  }
}

void read_body(std::string_view text) {
  auto body = api::BodyReader::parse(std::string(text));
  if (!body) return;
  if (const auto word = body->text("t", 1, 8)) CHECK(!word->empty() && word->size() <= 8);
  if (const auto number = body->number("n", -3, 70)) CHECK(*number >= -3 && *number <= 70);
  if (const auto list = body->texts("l", 3)) CHECK(!list->empty() && list->size() <= 3);
  (void)body->finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto text = as_text({data + 1, size - 1});
  switch (data[0] % 4) {
    case 0:
      read_target(text);
      break;
    case 1:
      read_range(text);
      break;
    case 2:
      read_body(text);
      break;
    default:
      CHECK(api::cookie(std::string(text), "a").size() <= text.size());
  }
  return 0;
}
