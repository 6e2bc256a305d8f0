// Recordings: by what right a person's browser has keys of them.
#include <boost/json.hpp>

#include "disclose/office.hpp"
#include "disclose/recordings.hpp"

namespace callward::disclose {

Result<boost::json::object> Office::may_open(const CallId& call, std::string_view actor,
                                             const std::array<std::uint8_t, 32>& reader_key) {
  TRY(ready());
  if (chart_.number() == 0) return boost::json::object{};
  const auto person = PersonId::parse(actor);
  if (!person)
    return fail(Errc::kDenied, "there is a role chart: a person opens it, with a passkey");
  if (!reads_with(*person, reader_key))
    return fail(Errc::kDenied, "this key was not signed by the person's passkey: sign in anew");
  const Request* call_back = nullptr;
  std::string request;
  for (const auto& [id, running] : requests_)
    if (running.call_back.call == call && !call.is_zero() &&
        !is_settled(running.chain.request().state)) {
      call_back = &running.chain.request();
      request = id.hex();
    }
  const auto right = TRY(may_hear(chart_, *person, call_back));
  boost::json::object said{{"right", to_text(right)}, {"reader", to_hex(reader_key)}};
  if (right == Hearing::kCallBack) said["request"] = request;
  return said;
}

}  // namespace callward::disclose
