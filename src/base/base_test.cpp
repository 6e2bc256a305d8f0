#include <gtest/gtest.h>
#include <unistd.h>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "base/event_log.hpp"
#include "base/pack.hpp"
#include "base/queue.hpp"
#include "base/vfs.hpp"

namespace callward {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return fail(Errc::kMalformed, "odd");
  return value / 2;
}
Result<int> quarter(int value) { return TRY(half(TRY(half(value)))); }

TEST(Result, TryPassesValuesAndErrors) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error().code, Errc::kMalformed);
}

TEST(Bytes, HexAndBase64RoundTrip) {
  SeededEntropy entropy(1);
  for (std::size_t size = 0; size < 40; ++size) {
    Bytes raw(size);
    entropy.fill(raw);
    EXPECT_EQ(*from_hex(to_hex(raw)), raw);
    EXPECT_EQ(*from_base64(to_base64(raw)), raw);
  }
  EXPECT_EQ(to_base64(as_bytes("light w")), "bGlnaHQgdw==");
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(from_hex("zz"));
  EXPECT_FALSE(from_base64("bGl="));      // padding bits set
  EXPECT_FALSE(from_base64("bG=naHQ="));  // padding inside
}

TEST(Endpoint, AddressesOfBothFamiliesAreComparedByteByByte) {
  const auto v4 = parse_endpoint("192.0.2.1", 4000);
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4, parse_endpoint("::ffff:192.0.2.1", 4000));
  EXPECT_NE(v4, parse_endpoint("192.0.2.1", 4001));
  EXPECT_TRUE(v4->same_address(*parse_endpoint("192.0.2.1", 4001)));
  EXPECT_EQ(parse_endpoint("[2001:db8::1]", 5), parse_endpoint("2001:db8:0::1", 5));
  for (const char* unknown :
       {"", "0.0.0.0", "::", "media.example", "192.0.2", "192.0.2.1 ", "[]", "[",
        ("1234567890123456789012345678901234567890123456789012345678901234"
         "5")})
    EXPECT_FALSE(parse_endpoint(unknown, 1)) << unknown;
  for (const char* own : {"10.1.2.3", "127.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
                          "169.254.0.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"})
    EXPECT_TRUE(is_private(*parse_endpoint(own, 1))) << own;
  for (const char* open : {"192.0.2.1", "172.32.0.1", "100.128.0.1", "11.0.0.1", "2001:db8::1"})
    EXPECT_FALSE(is_private(*parse_endpoint(open, 1))) << open;
  EXPECT_EQ(unpack<Endpoint>(pack(*v4)).value(), *v4);
}

TEST(Bytes, Crc32cMatchesTheRfcVectors) {
  // RFC 3720, B.4
  EXPECT_EQ(crc32c(Bytes(32, 0)), 0x8A9136AAu);
  EXPECT_EQ(crc32c(Bytes(32, 0xFF)), 0x62A8AB43u);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
}

// Bit by bit, as the polynomial says.
std::uint32_t plain_crc32c(ByteView bytes, std::uint32_t seed) {
  auto crc = ~seed;
  for (const auto byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
  }
  return ~crc;
}

TEST(Bytes, Crc32cIsRightAtEveryLengthAndSeed) {
  SeededEntropy entropy(11);
  Bytes raw(2'400);
  entropy.fill(raw);
  for (std::size_t length = 0; length <= raw.size(); ++length) {
    const auto part = ByteView(raw).subspan(raw.size() - length);  // every alignment
    const auto seed = static_cast<std::uint32_t>(length * 0x9E3779B9u);
    ASSERT_EQ(crc32c(part, seed), plain_crc32c(part, seed)) << length;
  }
  const auto whole = ByteView(raw);
  EXPECT_EQ(crc32c(whole.subspan(1'000), crc32c(whole.first(1'000))), crc32c(whole));
}

struct Inner {
  std::uint16_t number = 0;
  template <class V>
  void visit(V& v) {
    v(number);
  }
};
struct Outer {
  CallId call;
  std::string text;
  std::vector<Inner> inner;
  std::optional<std::int64_t> when;
  Bytes raw;
  Key32 key;
  bool flag = false;
  template <class V>
  void visit(V& v) {
    v(call, text, inner, when, raw, key, flag);
  }
};

TEST(Pack, RoundTripAndStrictness) {
  SeededEntropy entropy(2);
  Outer message;
  message.call = CallId::random(entropy);
  message.text = "abc";
  message.inner = {{1}, {65535}};
  message.when = -5;
  message.raw = {1, 2, 3};
  message.key = entropy.key();
  message.flag = true;
  const auto raw = pack(message);
  const auto back = unpack<Outer>(raw);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->call, message.call);
  EXPECT_EQ(back->text, "abc");
  EXPECT_EQ(back->inner[1].number, 65535);
  EXPECT_EQ(back->when, -5);
  EXPECT_TRUE(equal_constant_time(back->key.expose(), message.key.expose()));
  for (std::size_t cut = 0; cut < raw.size(); ++cut)
    EXPECT_FALSE(unpack<Outer>(ByteView(raw).first(cut))) << cut;
  auto longer = raw;
  longer.push_back(0);
  EXPECT_FALSE(unpack<Outer>(longer));
}

TEST(Queue, RefusesAtItsBoundAndCounts) {
  BoundedQueue<int> queue("test", 2);
  EXPECT_TRUE(queue.push(1));
  EXPECT_TRUE(queue.push(2));
  EXPECT_FALSE(queue.push(3));
  EXPECT_EQ(queue.gauge().refused, 1u);
  EXPECT_EQ(queue.pop(), 1);
}

TEST(Clock, FormatsUtc) {
  EXPECT_EQ(format_utc(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_utc(1'795'509'000'123), "2026-11-24T08:30:00.123Z");
}

TEST(EventLog, QuotesWhatJsonNeeds) {
  EXPECT_EQ(json_quote("a\"b\\c\nd"), "\"a\\\"b\\\\c\\u000ad\"");
}

TEST(Vfs, KnowsWhatWasNeverWritten) {
  RealVfs vfs;
  const auto path = ::testing::TempDir() + "callward-sparse-" + std::to_string(::getpid());
  const auto file = vfs.open(path, OpenMode::kCreate);
  ASSERT_TRUE(file);
  constexpr std::uint64_t kBytes = 16u << 20, kAt = 8u << 20;
  ASSERT_TRUE((*file)->preallocate(kBytes));
  ASSERT_TRUE((*file)->write_at(kAt, as_bytes("written")));
  // A file system that cannot tell says the whole size.
  EXPECT_GE(*(*file)->written_end(), kAt + 7);
  EXPECT_LE(*(*file)->written_end(), kBytes);
  ASSERT_TRUE(vfs.remove(path));
}

TEST(Vfs, AtomicWriteReplaces) {
  RealVfs vfs;
  const std::string dir = ::testing::TempDir() + "callward-vfs";
  ASSERT_TRUE(vfs.make_dirs(dir));
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/f", as_bytes("one")));
  ASSERT_TRUE(vfs.write_file_atomic(dir + "/f", as_bytes("two")));
  EXPECT_EQ(as_text(*vfs.read_file(dir + "/f", 10)), "two");
  EXPECT_EQ(vfs.read_file(dir + "/f", 2).error().code, Errc::kTooLarge);
  EXPECT_EQ(vfs.read_file(dir + "/absent", 2).error().code, Errc::kNotFound);
  ASSERT_TRUE(vfs.remove(dir + "/f"));
}

}  // namespace
}  // namespace callward
