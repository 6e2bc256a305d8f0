// tests/vectors/spool.json: the head of a spool's file, and frames.
#include "base/vectors_test.hpp"
#include "store/spool_frame.hpp"

namespace callward::store {
namespace {

using namespace vectors;

constexpr std::uint64_t kGeneration = 0x0304'0506'0708;

CallId some_call() { return *CallId::parse("000102030405060708090a0b0c0d0e0f"); }

Bytes frame_of(FrameType type, ByteView payload) {
  Bytes out;
  append_frame(out, type, kGeneration, some_call(), payload);
  return out;
}

// With the checksum set right again, so that the fault behind it is what is found.
Bytes rechecked(Bytes frame) {
  const auto length = load_le<std::uint32_t>(frame.data() + 32);
  const ByteView raw(frame);
  if (length <= frame.size() - kFrameHeadBytes)
    store_le(frame.data() + 36,
             crc32c(raw.subspan(kFrameHeadBytes, length), crc32c(raw.first(36))));
  return frame;
}

template <class Change>
Bytes changed(Bytes bytes, Change change) {
  change(bytes);
  return bytes;
}

json::object frame_case(const char* name, const Bytes& raw) {
  json::object out = {{"name", name}, {"kind", "frame"}, {"generation", kGeneration}};
  const auto parsed = parse_frame(raw, kGeneration);
  out["outcome"] = outcome_of(parsed);
  out["bytes"] = to_hex(raw);
  if (parsed) {
    out["type"] = static_cast<int>(parsed->frame.type);
    out["call"] = parsed->frame.call.hex();
    out["payload"] = to_hex(parsed->frame.payload);
    out["length"] = parsed->bytes;
  }
  return out;
}

json::object file_case(const char* name, const Bytes& raw) {
  json::object out = {{"name", name}, {"kind", "file"}};
  const auto parsed = parse_spool_file_head(raw);
  out["outcome"] = outcome_of(parsed);
  out["bytes"] = to_hex(raw);
  if (parsed) {
    out["generation"] = parsed->generation;
    out["file_bytes"] = parsed->file_bytes;
  }
  return out;
}

std::vector<json::object> all_cases() {
  const Bytes payload = {1, 2, 3, 4, 5};
  const auto frame = frame_of(FrameType::kAudio, payload);
  const auto set = [](std::size_t at, std::uint8_t value) {
    return [=](Bytes& raw) { raw[at] = value; };
  };
  const auto head = make_spool_file_head(kGeneration, 1u << 20);
  const auto rehead = [](Bytes raw) {
    store_le(raw.data() + 24, crc32c(ByteView(raw).first(24)));
    return raw;
  };
  std::vector<json::object> out = {frame_case("audio of five bytes", frame)};
  for (int type = 1; type <= 13; ++type)
    out.push_back(frame_case(("empty, of type " + std::to_string(type)).c_str(),
                             frame_of(static_cast<FrameType>(type), {})));
  out.push_back(frame_case("something else behind it",
                           changed(frame, [](Bytes& raw) { raw.resize(raw.size() + 9, 0xEE); })));
  out.push_back(frame_case("of an earlier life of the file", rechecked(changed(frame, set(8, 7)))));
  out.push_back(frame_case("no frame", Bytes(64)));
  out.push_back(frame_case("a bit of the payload", changed(frame, set(41, 3))));
  out.push_back(frame_case("a bit of the call", changed(frame, set(20, 0xFF))));
  out.push_back(frame_case("of no type there is", rechecked(changed(frame, set(4, 14)))));
  out.push_back(frame_case("of another version", rechecked(changed(frame, set(5, 2)))));
  out.push_back(frame_case("longer than its file", changed(frame, set(33, 1))));
  out.push_back(frame_case("over 4 MiB", changed(frame, set(35, 1))));
  out.push_back(frame_case("cut within its head", Bytes(frame.begin(), frame.begin() + 39)));
  out.push_back(file_case("a file of 1 MiB", head));
  out.push_back(file_case("its checksum", changed(head, set(9, 0xFF))));
  out.push_back(file_case("of version 2", rehead(changed(head, set(4, 2)))));
  out.push_back(file_case("no spool", rehead(changed(head, set(0, 'X')))));
  out.push_back(file_case("cut", Bytes(head.begin(), head.begin() + 27)));
  return out;
}

TEST(SpoolVectors, AreTheBytesThatAreMadeNow) {
  same_as_file("spool.json", text_of("callward spool", all_cases()));
}

TEST(SpoolVectors, AreReadAsTheySay) {
  int good = 0, bad = 0;
  for (const auto& item : cases_of("spool.json")) {
    const auto raw = bytes(item, "bytes");
    const bool frame = text(item, "kind") == "frame";
    const auto outcome =
        frame ? outcome_of(parse_frame(raw, kGeneration)) : outcome_of(parse_spool_file_head(raw));
    EXPECT_EQ(outcome, text(item, "outcome")) << item.at("name");
    ++(outcome == "ok" ? good : bad);
    if (outcome != "ok" || !frame) continue;
    EXPECT_EQ(to_hex(parse_frame(raw, kGeneration)->frame.payload), text(item, "payload"));
  }
  EXPECT_EQ(good, 16);
  EXPECT_EQ(bad, 13);
}

}  // namespace
}  // namespace callward::store
