// What is read from a request, without any server: addresses, ranges, bodies, cookies; the events'
// ring; static files.
#include "api/http.hpp"

#include <algorithm>

#include "api/rig_test.hpp"

namespace callward::api {
namespace {

using test::header_of;

TEST(ParseTarget, DecodesAndRefusesWhatIsNoAddress) {
  Request request;
  ASSERT_TRUE(parse_target("/a%20b/%C3%A4?x=1&y=a+b%2B&z&x=2", request));
  EXPECT_EQ(request.path, "/a b/\xC3\xA4");
  EXPECT_EQ(request.query["x"], "2");
  EXPECT_EQ(request.query["y"], "a b+");
  EXPECT_EQ(request.query["z"], "");
  for (const char* bad : {"", "a", "*", "http://x/", "/%", "/%4", "/%zz", "/%00", "/%0d%0aX: y",
                          "/\x7F", "/?a=%0A"}) {
    Request other;
    EXPECT_FALSE(parse_target(bad, other)) << bad;
  }
  std::string many = "/?";
  for (int i = 0; i < 65; ++i) many += "a" + std::to_string(i) + "=1&";
  EXPECT_EQ(parse_target(many, request).error().code, Errc::kTooLarge);
}

TEST(ParseRange, TheFormsOfRfc9110) {
  const auto range = [](const char* header, std::uint64_t size) {
    const auto parsed = parse_range(header, size);
    if (!parsed) return std::string("416");
    if (!*parsed) return std::string("whole");
    return std::to_string((*parsed)->first) + "-" + std::to_string((*parsed)->last);
  };
  EXPECT_EQ(range("bytes=0-9", 100), "0-9");
  EXPECT_EQ(range("bytes=90-200", 100), "90-99");
  EXPECT_EQ(range("bytes=99-", 100), "99-99");
  EXPECT_EQ(range("bytes=-10", 100), "90-99");
  EXPECT_EQ(range("bytes=-1000", 100), "0-99");
  EXPECT_EQ(range("bytes=100-", 100), "416");
  EXPECT_EQ(range("bytes=-0", 100), "416");
  EXPECT_EQ(range("bytes=0-", 0), "416");
  EXPECT_EQ(range("bytes=-1", 0), "416");
  for (const char* ignored : {"", "items=0-9", "bytes=5-2", "bytes=0-1,3-4", "bytes=", "bytes=-",
                              "bytes=x-5", "bytes=5-x", "bytes=--5", "bytes=+1-5",
                              "bytes=99999999999999999999-5", "bytes= 1-5", "bytes=1"})
    EXPECT_EQ(range(ignored, 100), "whole") << ignored;
}

TEST(BodyReader, IsStrict) {
  for (const char* bad : {"", "[]", "1", "{", "{\"a\":}", "{\"a\":1}x", "{\"a\":\"\xFF\"}",
                          "{\"a\":[[[[[[[[[1]]]]]]]]]}"})
    EXPECT_EQ(BodyReader::parse(bad).error().code, Errc::kMalformed) << bad;
  auto body = *BodyReader::parse(R"({"t":"abc","n":5,"l":["x"],"f":1.5,"big":1e30,"more":1})");
  EXPECT_EQ(*body.text("t", 1, 3), "abc");
  EXPECT_FALSE(body.text("t", 4, 9));
  EXPECT_FALSE(body.text("n", 0, 9));
  EXPECT_FALSE(body.text("absent", 0, 9));
  EXPECT_EQ(*body.number("n", 0, 5), 5);
  EXPECT_FALSE(body.number("n", 0, 4));
  EXPECT_FALSE(body.number("t", 0, 9));
  EXPECT_FALSE(body.number("f", 0, 9));
  EXPECT_FALSE(body.number("big", 0, 1ll << 40));
  EXPECT_FALSE(body.number("absent", 0, 9));
  EXPECT_FALSE(body.optional_number("absent", 0, 9)->has_value());
  EXPECT_EQ(body.texts("l", 1)->size(), 1u);
  EXPECT_FALSE(body.texts("n", 1));
  EXPECT_EQ(body.finish().error().message, "unknown field more");
}

TEST(QueryNumber, TakesWholeNumbersInBounds) {
  Request request;
  ASSERT_TRUE(parse_target("/?a=7&b=x&c=7x&d=-1&e=99999999999999999999&f=", request));
  EXPECT_EQ(*query_number(request, "a", 1, 0, 9), 7);
  EXPECT_EQ(*query_number(request, "absent", 1, 0, 9), 1);
  for (const char* name : {"b", "c", "d", "e", "f"})
    EXPECT_FALSE(query_number(request, name, 1, 0, 9)) << name;
}

TEST(Problem, CarriesItsStatusAndNoInnerDetail) {
  const auto busy = Response::of(Error{Errc::kUnavailable, "keeper is away"});
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.content_type, "application/problem+json");
  EXPECT_EQ(header_of(busy, "Retry-After"), "2");
  EXPECT_EQ(test::json_of(busy)["status"].as_int64(), 503);
  const auto inner = Response::of(Error{Errc::kIo, "open /srv/secret/path: Permission denied"});
  EXPECT_EQ(inner.status, 500);
  EXPECT_EQ(inner.body.find("/srv"), std::string::npos);
}

TEST(Cookie, FindsItsNameAmongOthers) {
  EXPECT_EQ(cookie("a=1; __Host-callward=tok; b=2", "__Host-callward"), "tok");
  EXPECT_EQ(cookie("x__Host-callward=bad", "__Host-callward"), "");
  EXPECT_EQ(cookie("__Host-callwardx=bad;__Host-callward=good", "__Host-callward"), "good");
  EXPECT_EQ(cookie("__Host-callward", "__Host-callward"), "");
  EXPECT_EQ(cookie(";;; =;", "__Host-callward"), "");
}

std::string told(EventHub& hub, std::uint64_t after) {
  std::string out;
  for (const auto& event : hub.after(after))
    out += (event.type == "system" ? "!" : "") + std::to_string(event.id) + " ";
  return out;
}

TEST(EventHub, ResumesBehindTheLastIdThatWasSeen) {
  EventHub hub(100);
  EXPECT_EQ(hub.last(), 99u);
  EXPECT_EQ(told(hub, 99), "");
  for (int i = 0; i < 3; ++i) hub.publish("call", "{}");
  EXPECT_EQ(told(hub, 99), "100 101 102 ");
  EXPECT_EQ(told(hub, 101), "102 ");
  EXPECT_EQ(told(hub, 102), "");
}

// One stolen cookie must not take the places of all others.
TEST(EventHub, OnePersonHasSoManyStreamsAndNoMore) {
  EventHub hub(100);
  PersonId one, other;
  one.bytes[0] = 1;
  other.bytes[0] = 2;
  std::vector<std::shared_ptr<void>> held;
  for (std::size_t i = 0; i < EventHub::kStreamsOfPersonMax; ++i)
    held.push_back(hub.stream_of(one));
  EXPECT_TRUE(std::ranges::none_of(held, [](const auto& place) { return place == nullptr; }));
  EXPECT_EQ(hub.stream_of(one), nullptr);
  EXPECT_NE(hub.stream_of(other), nullptr);
  EXPECT_NE(hub.stream_of(PersonId{}), nullptr) << "an operator's";
  const auto copy = held.back();
  held.pop_back();
  EXPECT_EQ(hub.stream_of(one), nullptr) << "somebody has it still";
  held.clear();
  EXPECT_NE(hub.stream_of(one), nullptr);
}

TEST(EventHub, WhoFellOutOfTheRingIsToldToLoadAnew) {
  EventHub hub(1);
  for (std::size_t i = 0; i < EventHub::kKeptMax + 5; ++i) hub.publish("call", "{}");
  const auto all = hub.after(3);
  ASSERT_EQ(all.size(), EventHub::kKeptMax + 1);
  EXPECT_EQ(all[0].type, "system");
  EXPECT_EQ(all[1].id, 6u);
  EXPECT_EQ(hub.after(5).size(), EventHub::kKeptMax);  // nothing between was missed
}

TEST(EventHub, AnIdOfAnEarlierProcessIsNeverTakenForOneOfThis) {
  EventHub hub(1'000);  // an earlier one gave 1 to 500
  EXPECT_EQ(told(hub, 500), "!999 ");
  hub.publish("call", "{}");
  EXPECT_EQ(told(hub, 500), "!999 1000 ");
  EXPECT_EQ(told(hub, 70'000), "!999 1000 ");  // never given at all
  EXPECT_EQ(told(hub, ~0ull), "!999 1000 ");
  EXPECT_EQ(told(hub, 999), "1000 ");
}

class Console : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir + "/assets/deep");
    write("/index.html", "<p>");
    write("/assets/deep/app.js", "let a");
    write("/logo.svg", "<svg/>");
    std::filesystem::create_symlink("/etc/passwd", dir + "/../outside-link");
    files = *StaticFiles::load(vfs, dir);
  }
  void TearDown() override {
    std::filesystem::remove(dir + "/../outside-link");
    std::filesystem::remove_all(dir);
  }
  void write(const std::string& name, std::string_view text) {
    ASSERT_TRUE(vfs.write_file_atomic(dir + name, as_bytes(text)));
  }
  Response get(const std::string& path, const std::string& etag = {}) {
    Request request;
    request.method = "GET";
    request.path = path;
    if (!etag.empty()) request.headers["if-none-match"] = etag;
    return files.serve(request);
  }
  RealVfs vfs;
  std::string dir = test::fresh_dir("console");
  StaticFiles files;
};

TEST_F(Console, ServesItsOwnFilesWithTypesAndTags) {
  const auto page = get("/");
  EXPECT_EQ(page.body, "<p>");
  EXPECT_EQ(header_of(page, "Cache-Control"), "no-cache");
  EXPECT_EQ(get("/calls/2026-11-24").body, "<p>");  // the console's own address
  const auto script = get("/assets/deep/app.js");
  EXPECT_EQ(script.content_type, "text/javascript; charset=utf-8");
  EXPECT_NE(header_of(script, "Cache-Control").find("immutable"), std::string::npos);
  const auto again = get("/logo.svg", header_of(get("/logo.svg"), "ETag"));
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(get("/logo.svg").content_type, "image/svg+xml; charset=utf-8");
  EXPECT_EQ(get("/absent.js").status, 404);
}

TEST_F(Console, NoPathLeavesTheFolder) {
  for (const char* path : {"/../outside-link", "/assets/../../outside-link", "/./index.html",
                           "/assets/deep/../../../../../etc/passwd", "//etc/passwd.txt",
                           "/etc/passwd.", "/..\\outside-link", "/assets/..", "/.."}) {
    const auto response = get(path);
    EXPECT_TRUE(response.status == 404 || response.body == "<p>") << path;
    EXPECT_EQ(response.body.find("root:"), std::string::npos) << path;
  }
}

TEST_F(Console, AnAbsentFolderIsAnEmptySet) {
  const auto none = *StaticFiles::load(vfs, dir + "/absent");
  Request request;
  request.path = "/";
  EXPECT_EQ(none.serve(request).status, 404);
}

}  // namespace
}  // namespace callward::api
