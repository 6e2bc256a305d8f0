// The company of office_rig.hpp behind the server's own HTTP: real router, tables and log, over a
// socket to a peer that hands each message to the real office.
#pragma once

#include "api/customer_tables.hpp"
#include "api/rig_test.hpp"
#include "office_rig.hpp"

namespace callward::attack {

using api::Request;
using api::Response;

class VaultRig : public OfficeRig {
 public:
  explicit VaultRig(std::string policy_of_it = kPolicy) : OfficeRig(std::move(policy_of_it)) {
    service.origin = "https://calls.example";
    service.policy = policy().policy;
    service.step_shows_ms = 0;  // follow() shows it, here
    router = std::make_unique<api::Router>(
        api::routes(service),
        api::Router::Guards{.session = [this](const std::string& token) { return session(token); },
                            .operator_token = "the-operators-token"});
    peer = std::make_unique<api::test::ScriptedPeer>(
        dir + "/keeper.sock", [this](io::Channel& c, io::Frame& f) { keeper_answers(c, f); });
    follow();
  }
  ~VaultRig() {
    peer.reset();
    std::filesystem::remove_all(dir);
  }

  // A session is whoever's id it names, with the roles of the chart.
  Result<people::Session> session(const std::string& token) const {
    const auto id = PersonId::parse(token);
    const auto* member = id ? chart.find(*id) : nullptr;
    if (member == nullptr) return fail(Errc::kDenied, "nobody");
    return people::Session{.id = token, .person = {*id, "somebody", member->roles}};
  }
  Request request(const PersonId& who, const std::string& method, const std::string& target,
                  const boost::json::object& body = {}) {
    Request made;
    made.method = method;
    EXPECT_TRUE(api::parse_target(target, made)) << target;
    made.body = method == "GET" ? "" : boost::json::serialize(body);
    made.peer = "10.0.0.2";
    made.headers["x-callward"] = "1";
    if (!who.is_zero()) made.headers["cookie"] = std::string(api::kSessionCookie) + "=" + who.hex();
    return made;
  }
  Response call(const PersonId& who, const std::string& method, const std::string& target,
                const boost::json::object& body = {}) {
    auto asked = request(who, method, target, body);
    wire += method + " " + target + "\n" + asked.body + "\n";
    auto answer = router->handle(std::move(asked));
    wire += answer.body + "\n";
    return answer;
  }
  void follow() {
    EXPECT_TRUE(log->publish());
    EXPECT_TRUE(roster.follow());
    const auto followed = service.follow_customers();
    EXPECT_TRUE(followed) << followed.error().message;
    service.ask_time();
  }

  std::vector<db::Row> rows(const std::string& sql) const {
    auto found = database->query(sql);
    EXPECT_TRUE(found) << found.error().message;
    return found ? std::move(*found) : std::vector<db::Row>();
  }

  // ---- what a browser does ----
  boost::json::object sealed(std::string_view text, std::string_view purpose,
                             std::initializer_list<std::string_view> about) {
    const auto value = seal(text, purpose, about);
    return {{"key", value.key},
            {"enc", to_base64(value.enc)},
            {"ciphertext", to_base64(value.ciphertext)}};
  }
  boost::json::object intake_body(const Values& values, const std::string& customer = "",
                                  std::int64_t of_case = 0) {
    const auto intake = keys::IntakeId::random(entropy).hex();
    boost::json::array fields;
    for (const auto& [field, value] : values)
      fields.push_back({{"field", field}, {"value", sealed(value, "field", {intake, field})}});
    boost::json::object body{{"intake", intake}, {"fields", std::move(fields)}};
    if (!customer.empty()) body["customer"] = customer;
    if (of_case != 0) body["case"] = of_case;
    return body;
  }
  std::string store_carla() {
    const auto stored = call(agent(), "POST", "/v1/intakes",
                             intake_body({{"name", "Carla Muster"},
                                          {"phone", "(650) 253-0000"},
                                          {"query", "No picture on the second screen"},
                                          {"email", "Carla@Example.com"},
                                          {"password", "sunshine42"},
                                          {"service_word", "Blue Heron"}}));
    EXPECT_EQ(stored.status, 201) << stored.body;
    const auto json = api::test::json_of(stored);
    for (const auto& field : json.at("fields").as_array())
      leaf[std::string(field.at("field").as_string())] = field.at("leaf").to_number<std::int64_t>();
    return std::string(json.at("customer").as_string());
  }
  using OfficeRig::viewing;
  boost::json::object viewing(const std::string& id, const crypto::PublicKey& key) {
    return {{"request", id},
            {"kind", "view"},
            {"fields", boost::json::array{leaf.at("email")}},
            {"reader_key", to_hex(key)}};
  }
  // What a view of the e-mail shows, to who has the key.
  Result<std::string> see(const Someone& who, const std::string& id, const Key32& key) {
    const auto answer = act_by(who, viewing(id, *crypto::x25519_public(key)));
    if (answer.status != 201) return fail(Errc::kDenied, std::to_string(answer.status));
    const auto json = api::test::json_of(answer);
    keys::StepTaken taken{
        .request = *RequestId::parse(id),
        .number = static_cast<std::uint32_t>(json.at("number").to_number<std::int64_t>())};
    const auto enc = *from_base64(json.at("value").at("enc").as_string());
    std::copy(enc.begin(), enc.end(), taken.value.enc.begin());
    taken.value.sealed = *from_base64(json.at("value").at("sealed").as_string());
    return open_view(taken, key, static_cast<std::uint32_t>(leaf.at("email")));
  }
  // Drafts, signs with the person's passkey, puts.
  Response act_by(const Someone& who, boost::json::object draft, const std::string& words = "") {
    const auto r = entropy.array<16>();
    if (draft.at("kind") == "review" && !draft.contains("needed"))
      draft["needed"] = draft["used"] = false;
    if (!words.empty()) draft["words"] = to_hex(crypto::sha256({r, as_bytes(words)}));
    const auto drafted = call(who.id, "POST", "/v1/request-drafts", draft);
    if (drafted.status != 200) return drafted;
    const auto text = std::string(api::test::json_of(drafted).at("step").as_string());
    return put_text(who, text, words.empty() ? "" : std::string(as_text(r)) + words);
  }
  Response put_text(const Someone& who, const std::string& text, const std::string& said = "") {
    const auto step = *disclose::step_from_json(boost::json::parse(text).as_object());
    const people::PersonSignature signature{
        who.id, who.device->sign(people::test::kParty, *disclose::hash_of(step))};
    boost::json::object body{{"step", text},
                             {"signature", boost::json::serialize(people::to_json(signature))}};
    if (!said.empty())
      body["words"] = sealed(said, "words", {step.request.hex(), std::to_string(step.number)});
    auto put = call(who.id, "POST", "/v1/request-steps", body);
    if (!follows) return put;
    keeper->tick();
    follow();
    return put;
  }
  std::string ask_for(const Someone& who, const std::string& customer,
                      std::vector<std::string> fields) {
    // A technician has to do with whose case they work on.
    EXPECT_EQ(call(agent(), "POST", "/v1/customers/" + customer + "/cases/1/technician",
                   {{"technician", who.id.hex()}})
                  .status,
              204);
    boost::json::array leaves;
    for (const auto& field : fields) leaves.emplace_back(leaf.at(field));
    const auto put = act_by(who,
                            {{"kind", "ask"},
                             {"customer", customer},
                             {"case", 1},
                             {"category", "billing"},
                             {"fields", leaves}},
                            kConcern);
    EXPECT_EQ(put.status, 201) << put.body;
    if (put.status != 201) return std::string(32, '0');
    return std::string(api::test::json_of(put).at("request").as_string());
  }
  Response check_by(const Someone& who, const std::string& id, const std::string& field,
                    const std::string& said) {
    return call(who.id, "POST", "/v1/requests/" + id + "/checks",
                {{"leaf", leaf.at(field)},
                 {"given", sealed(said, "check", {id, std::to_string(leaf.at(field))})}});
  }
  // As far as open, by Eve and Anna (and Abe, where the number is young).
  void open(const std::string& id) {
    EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "ring"}}).status, 201);
    talk();
    EXPECT_EQ(check_by(eve, id, "service_word", "blue  heron").status, 200);
    EXPECT_EQ(check_by(eve, id, "name", "carla muster").status, 200);
    hang_up();
    EXPECT_EQ(act_by(eve, {{"request", id}, {"kind", "pass"}}, kVerdict).status, 201);
    for (const auto* who : {&anna, &abe}) judges(id, *who);
    const boost::json::object release{
        {"request", id}, {"kind", "release"}, {"fields", boost::json::array{leaf.at("email")}}};
    EXPECT_EQ(act_by(anna, release).status, 201);
    if (word_of(id) == "half_released") EXPECT_EQ(act_by(abe, release).status, 201);
    EXPECT_EQ(word_of(id), "open");
  }
  using OfficeRig::judges;
  void judges(const std::string& id, const Someone& who) {
    const auto request = *RequestId::parse(id);
    OfficeRig::judges(request, who, *api::CustomerTables(*database).statement(request, 1));
  }
  std::string word_of(const std::string& id) {
    const auto answer = call(anna.id, "GET", "/v1/requests/" + id);
    EXPECT_EQ(answer.status, 200) << answer.body;
    if (answer.status != 200) return "";
    return std::string(api::test::json_of(answer).at("state").as_string());
  }

  std::string dir = api::test::fresh_dir("vault");
  SystemEntropy chance;
  std::unique_ptr<db::Database> database =
      std::move(*db::open_sqlite(dir + "/server.db", api::server_migrations()));
  people::People persons{*database, clock, chance, {1, 8u << 20}};
  RealVfs disk;
  store::FileObjectStore objects{disk, dir + "/objects"};
  api::Link keeper_link{dir + "/keeper.sock", keys::kKeeperFrameBytesMax, api::keeper_hello};
  api::Link recorder_link{dir + "/recorder.sock", store::kRecorderFrameBytesMax,
                          api::recorder_hello};
  api::Catalog catalog{*database, objects, keeper_link, recorder_link};
  api::EventHub events;
  audit::NamedKey log_key{"test/log", *crypto::ed25519_public(seed)};
  api::Roster roster{*database, persons, people::test::kParty, {"/log", log_key, &vfs}};
  api::Service service{.clock = clock,
                       .entropy = chance,
                       .vfs = vfs,
                       .database = *database,
                       .people = persons,
                       .roster = roster,
                       .catalog = catalog,
                       .keeper = keeper_link,
                       .recorder = recorder_link,
                       .events = events,
                       .objects = objects,
                       .log_dir = "/log",
                       .log_key = log_key,
                       .supervisor_socket = "",
                       .time_zone = "UTC",
                       .disks = {}};
  std::unique_ptr<api::Router> router;
  std::unique_ptr<api::test::ScriptedPeer> peer;
  std::map<std::string, std::int64_t> leaf;
  std::vector<keys::PrivateMode> privacy;
  std::vector<keys::LogAppend> appended;
  std::string wire;     // all that was asked and answered, in the clear
  bool follows = true;  // after each step: what the log says is in the tables

 private:
  template <class Message, class Reply>
  bool serve(io::Channel& channel, io::Frame& frame,
             void (Office::*verb)(const Message&, disclose::Reply<Reply>)) {
    if (frame.type != Message::kType) return false;
    const auto message = unpack<Message>(frame.body);
    auto answer = message ? ask<Reply>(verb, *message)
                          : Result<Reply>(fail(Errc::kMalformed, "a message that is none"));
    if (answer)
      channel.reply(frame, *answer);
    else
      channel.reply(frame, keys::ErrorReply{answer.error().code, answer.error().message});
    return true;
  }
  // The test's own thread waits meanwhile: only one of them is ever in the office.
  void keeper_answers(io::Channel& c, io::Frame& f) {
    if (f.type == keys::Hello::kType)
      return void(c.reply(f, keys::Welcome{keys::kKeeperProtocolVersion, true}));
    if (f.type == keys::PrivateLook::kType)
      return void(c.reply(f, keys::PrivateState{.on = !privacy.empty() && privacy.back().on}));
    if (f.type == keys::PrivateMode::kType) {
      privacy.push_back(*unpack<keys::PrivateMode>(f.body));
      return void(c.reply(f, keys::PrivateState{.on = privacy.back().on}));
    }
    if (f.type == keys::LogAppend::kType) {
      appended.push_back(*unpack<keys::LogAppend>(f.body));
      return void(c.reply(f, keys::LogAppended{appended.size()}));
    }
    if (serve(c, f, &Office::field_retention) || serve(c, f, &Office::forecast_fields) ||
        serve(c, f, &Office::confirm_field_retention))
      return;
    const bool served = serve(c, f, &Office::intake_key) || serve(c, f, &Office::store_fields) ||
                        serve(c, f, &Office::look_up_caller) || serve(c, f, &Office::look_up) ||
                        serve(c, f, &Office::customer_state) || serve(c, f, &Office::close_case) ||
                        serve(c, f, &Office::assign_case) || serve(c, f, &Office::erase_fields) ||
                        serve(c, f, &Office::hold_customer) || serve(c, f, &Office::read_query) ||
                        serve(c, f, &Office::duty_put) || serve(c, f, &Office::step_draft) ||
                        serve(c, f, &Office::step_put) || serve(c, f, &Office::read_words) ||
                        serve(c, f, &Office::request_state) || serve(c, f, &Office::tell_time) ||
                        serve(c, f, &Office::check_field) || serve(c, f, &Office::send_code) ||
                        serve(c, f, &Office::check_code);
    if (!served) c.reply(f, keys::ErrorReply{Errc::kUnsupported, "unknown message"});
  }
};

}  // namespace callward::attack
