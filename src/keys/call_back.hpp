// Whose call-back a call is.
#pragma once

#include "base/id.hpp"
#include "keys/call_source.hpp"

namespace callward::keys {

// The request for which we dialled, who asked, and the expert who rang. Known from when the call is
// recorded, and for as long as the call's row is kept. All zero: nobody can say.
struct CallBackOf {
  RequestId request;
  PersonId asked_by, rung_by;
  bool operator==(const CallBackOf&) const = default;
  [[nodiscard]] bool is_known() const { return !request.is_zero(); }
  [[nodiscard]] bool has_part(const PersonId& person) const {
    return is_known() && (person == asked_by || person == rung_by);
  }
  template <class V>
  void visit(V& v) {
    v(request, asked_by, rung_by);
  }
};

// A call of which somebody wants something, as its row has it.
struct CallAsked {
  CallId id;
  CallSource source{};
  CallBackOf call_back;
  [[nodiscard]] bool is_call_back() const {
    return source == CallSource::kCallBack || call_back.is_known();
  }
};

}  // namespace callward::keys
