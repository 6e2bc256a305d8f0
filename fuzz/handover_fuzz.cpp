// Any bytes as the state that one keeper hands to the next: strict, written back byte for byte
// (that of an older version as today's, which reads back alike), and what is accepted can be taken
// over.
#include "app/keeper_handover.hpp"
#include "base/check.hpp"
#include "erase/handover.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace callward;
  const ByteView raw(data, size);
  if (auto state = erase::decode_handed(raw)) {
    const auto again = erase::encode_handed(*state);
    const auto read = erase::decode_handed(again->expose());
    CHECK(read && equal(erase::encode_handed(*read)->expose(), again->expose()));
    if (load_le<std::uint32_t>(raw.data()) == erase::kHandoverVersion)
      CHECK(equal(again->expose(), raw));
    for (auto& handed : state->calls)
      if (const auto call = erase::from_handed(std::move(handed)))
        CHECK(erase::from_handed(erase::to_handed(*call)).has_value());
  }
  if (const auto process = app::decode_process(raw)) {
    const auto again = pack_secret(*process);
    CHECK(app::decode_process(again.expose()).has_value());
    if (load_le<std::uint32_t>(raw.data()) == app::kHandedProcessVersion)
      CHECK(equal(again.expose(), raw));
  }
  return 0;
}
