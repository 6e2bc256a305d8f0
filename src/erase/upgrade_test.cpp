// What keepers of earlier versions wrote is read; what later ones will write is refused by its number.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/vfs.hpp"
#include "erase/call_keys.hpp"
#include "erase/handover.hpp"
#include "erase/retention.hpp"

namespace callward::erase {
namespace {

std::string fixture(const std::string& name) {
  RealVfs vfs;
  const auto raw =
      vfs.read_file(std::string(CALLWARD_SOURCE_DIR) + "/tests/fixtures/" + name, 1u << 20);
  EXPECT_TRUE(raw) << raw.error().message;
  return std::string(as_text(*raw));
}
boost::json::object keeper() { return boost::json::parse(fixture("keeper.json")).as_object(); }
Bytes bytes_of(const boost::json::value& hex) { return *from_hex(hex.as_string()); }
OrderId order(std::uint8_t filler) {
  OrderId id;
  id.bytes.fill(filler);
  return id;
}
bool opens(const CallKeys& call, std::uint8_t stream, std::uint32_t index) {
  return call.cover.leaf(keys::leaf_of(stream, index)).has_value();
}

void expect_the_call(const CallKeys& call, std::int64_t version) {
  EXPECT_EQ(call.id.hex(), std::string(32, 'c').replace(0, 32, "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"));
  EXPECT_EQ(call.direction, keys::Direction::kOutgoing);
  EXPECT_EQ(call.started_at, 1'700'000'000'000);
  EXPECT_TRUE(call.ended && call.listened && !call.drop);
  EXPECT_EQ(call.legal_hold, version >= 3);
  EXPECT_EQ(call.proposals.size(), version >= 3 ? 1u : 0u);
  EXPECT_EQ(call.ends[1], 100u);
  EXPECT_EQ(call.next_call_data, 3u);
  EXPECT_EQ(call.listener_segments, 25u);
  ASSERT_EQ(call.blocked.size(), 3u);
  EXPECT_EQ(call.blocked[0].state, BlockState::kErased);
  EXPECT_EQ(call.blocked[1].order, order(0x0D));
  EXPECT_EQ(call.blocked[2].state, BlockState::kHeld);
  EXPECT_EQ(call.blocked[2].kept_below, 100u);
  // Version 1 does not name the orders of what is held: they are one, of the call's number.
  EXPECT_EQ(call.blocked[2].order, version == 1 ? order(0xC1) : order(0x0E));
  EXPECT_EQ(call.lost, (std::vector<SegmentRange>{{1, 90, 95}}));
  EXPECT_TRUE(opens(call, 0, 5) && opens(call, 1, 55) && opens(call, keys::kCallDataStream, 0));
  EXPECT_FALSE(opens(call, 0, 12)) << "erased";
  EXPECT_FALSE(opens(call, 0, 32)) << "ordered";
  EXPECT_FALSE(opens(call, 1, 92)) << "lost";
}

TEST(Upgrade, RowsOfEveryVersionAreReadAndWrittenAnewAsTodays) {
  const auto all = keeper();
  std::optional<Key32> leaf;
  for (const auto& item : all.at("rows").as_array()) {
    const auto version = item.at("version").as_int64();
    const auto raw = bytes_of(item.at("row"));
    EXPECT_EQ(raw[0], version);
    const auto call = CallKeys::decode_row(5, raw);
    ASSERT_TRUE(call) << version << ": " << call.error().message;
    expect_the_call(*call, version);
    // The same keys: what it opened, it opens.
    const auto key = call->cover.leaf(keys::leaf_of(1, 7));
    ASSERT_TRUE(key);
    if (leaf) EXPECT_TRUE(std::ranges::equal(leaf->expose(), key->expose()));
    leaf = key->clone();
    const auto again = CallKeys::decode_row(5, call->encode_row().expose());
    ASSERT_TRUE(again);
    EXPECT_EQ(call->encode_row().expose()[0], 3);
    EXPECT_TRUE(std::ranges::equal(again->encode_row().expose(), call->encode_row().expose()));
    if (version == 3) EXPECT_TRUE(std::ranges::equal(call->encode_row().expose(), raw));
    const auto closed = CallKeys::decode_row(5, bytes_of(item.at("closed")));
    ASSERT_TRUE(closed);
    EXPECT_TRUE(closed->closed);
    EXPECT_EQ(closed->closed_by, version == 1 ? order(0xC1) : order(0x0F));
  }
}

TEST(Upgrade, TheNextVersionOfARowIsRefusedByItsNumber) {
  const auto all = keeper();
  auto raw = bytes_of(all.at("rows").as_array().back().at("row"));
  raw[0] = 5;  // 4 is that of a call-back
  const auto read = CallKeys::decode_row(5, raw);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kUnsupported);
  EXPECT_NE(read.error().message.find("version 5"), std::string::npos) << read.error().message;
  raw[0] = 0;
  EXPECT_FALSE(CallKeys::decode_row(5, raw)) << "nor is there a version 0";
}

TEST(Upgrade, HandedStateOfEveryVersionIsTakenOver) {
  const auto all = keeper();
  for (const auto& item : all.at("handed").as_array()) {
    const auto version = item.at("version").as_int64();
    auto state = decode_handed(bytes_of(item.at("state")));
    ASSERT_TRUE(state) << version << ": " << state.error().message;
    EXPECT_EQ(state->epoch, 4u);
    EXPECT_EQ(state->log_size, 77u);
    EXPECT_EQ(state->orders_done, 12u);
    ASSERT_EQ(state->orders.size(), 1u);
    EXPECT_EQ(state->orders[0].source, "listener");
    ASSERT_EQ(state->decided.size(), 1u);
    ASSERT_EQ(state->calls.size(), 1u);
    const auto call = from_handed(std::move(state->calls[0]));
    ASSERT_TRUE(call) << call.error().message;
    EXPECT_EQ(call->legal_hold, version >= 2);
    // Where there was no choice of sides, both were private.
    ASSERT_EQ(state->privates.size(), version >= 3 ? 1u : 0u);
    for (const auto& open : state->privates) {
      EXPECT_EQ(open.kept, 0);
      EXPECT_EQ(open.first, 40u);
      EXPECT_EQ(open.end, 90u);
    }
    EXPECT_EQ(call->blocked.size(), 3u);
    EXPECT_TRUE(opens(*call, 0, 32)) << "not yet carried out: in memory its key is there";
  }
}

TEST(Upgrade, TheStateOfRetentionIsReadAndTheNextVersionRefusedByItsNumber) {
  auto text = fixture("retention-1.json");
  const auto state = decode_retention(text);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->stop, RetentionStop::kVolume);
  EXPECT_EQ(state->days.size(), 2u);
  EXPECT_EQ(encode_retention(*state), text);
  text.replace(text.find("\"v\":1"), 5, "\"v\":2");
  EXPECT_EQ(decode_retention(text).error().code, Errc::kUnsupported);
}

// Formats that have had one version: the vectors hold a case of the next one, which must be refused.
TEST(Upgrade, TheVectorsOfEveryFormatHoldTheNextVersion) {
  RealVfs vfs;
  for (const char* name : {"record", "page", "object", "spool", "log", "proof"}) {
    const auto raw = vfs.read_file(
        std::string(CALLWARD_SOURCE_DIR) + "/tests/vectors/" + name + ".json", 8u << 20);
    ASSERT_TRUE(raw) << name;
    EXPECT_NE(as_text(*raw).find("\"unsupported\""), std::string_view::npos) << name;
  }
}

}  // namespace
}  // namespace callward::erase
