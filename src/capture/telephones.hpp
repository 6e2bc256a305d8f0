// At whose telephone a call is: which one of us speaks in it, by the number or name that the
// telephone system gives him. Only who is ours counts (OwnParties): a customer's number is nobody's
// telephone, and goes nowhere but into the call's sealed data.
#pragma once

#include "capture/offer.hpp"

namespace callward::capture {

inline constexpr std::size_t kTelephoneBytesMax = 64;  // longer ones are nobody's

class Telephones {
 public:
  // From an offer, and the lanes that it was made into. Later metadata may name only what changed,
  // or nothing: what it is silent about stays as it was.
  void take(const Offer& offer, const Plan& plan, const OwnParties& own);
  // A call without metadata, from somebody who is no recording client: of whom it is, and for whom.
  // A number, ours by itself: the host of a request to us says nothing of who talks.
  void take_addresses(std::string_view from, std::string_view to, const OwnParties& own);
  // The one of ours on the lanes that have not been taken away; where no lane is ours, the only one
  // that is named at all. Empty: nobody, or several.
  [[nodiscard]] std::string at(const std::vector<Lane>& lanes) const;

  template <class V>
  void visit(V& v) {
    v(speakers_, named_);
  }

 private:
  std::vector<std::string> speakers_;  // by m-line; empty: none of us
  std::vector<std::string> named_;     // by whatever the metadata says
};

}  // namespace callward::capture
