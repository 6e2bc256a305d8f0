// A request's steps as a chain: each names the hash of the one before, and a person's is signed by
// that person's passkey over just this step. Whoever has the chain, the role chart and the limits
// can judge it alone; the keeper does before it opens a field. docs/formats/steps.md
//
// INVARIANT: a chain holds exactly the steps that `step()` allows, each by who signed it. A step of
// another request, of another place in the chain, or of anybody else does not fit.
#pragma once

#include <optional>
#include <vector>

#include <boost/json/object.hpp>

#include "disclose/request.hpp"

namespace callward::disclose {

// What the entry `disclosure_step` says. What does not apply is zero or empty.
struct ChainStep {
  RequestId request;
  std::uint32_t number = 0;  // from 1; 1 asks, the others are events
  crypto::Digest before{};   // hash of the step before; zeros for the first
  std::int64_t at = 0;       // UTC ms, the keeper's
  CustomerId customer;       // of the first
  CaseNumber of_case = 0;    // of the first
  Event event;               // of the first: by whom, which fields, how long is wished
  std::string category;      // of the first: of kCategories, or empty
  // SHA-256(r ‖ text) of what was said in words (the concern, a verdict, a reason); the words are
  // sealed in the case.
  crypto::Digest words{};
  // Of a view: what the browser's key for it is, so that nobody else gets the answer.
  std::array<std::uint8_t, 32> reader_key{};
};

struct SignedStep {
  ChainStep step;
  std::optional<people::PersonSignature> signature;  // none: the system did it
};

class Chain {
 public:
  // kDenied, kState, kMalformed, as step() and ask(); kDenied also for a signature that is missing,
  // does not hold or is somebody else's. What is done when it went well.
  Result<std::vector<Action>> apply(const SignedStep& next, const World& world);

  [[nodiscard]] bool begun() const { return number_ != 0; }
  [[nodiscard]] const Request& request() const { return request_; }
  [[nodiscard]] const crypto::Digest& head() const { return head_; }
  [[nodiscard]] std::uint32_t number() const { return number_; }

 private:
  Status check_signature(const SignedStep& next, const World& world) const;
  Request request_;
  std::uint32_t number_ = 0;
  crypto::Digest head_{};
};

// What the first step asks for.
Request wanted_of(const ChainStep& step);
// Whether a concern is one: 20 letters at least, not one word or letter over and over.
bool is_concern(std::string_view text);
// Whether a step has to say something in words.
bool needs_words(EventKind kind);

// SHA-256("CWS1 step" ‖ the step as canonical JSON): what is signed, and what the next one names.
Result<crypto::Digest> hash_of(const ChainStep& step);
boost::json::object to_json(const ChainStep& step);
Result<ChainStep> step_from_json(const boost::json::object& json);

}  // namespace callward::disclose
