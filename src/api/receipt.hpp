// A customer's receipt: what was recorded, kept and erased, of fields and of the recordings of
// their calls, when, and who read or heard it. From the log's entries and the policy's words; no
// value, no name of the customer stands in it. Who read is an id: whose it is the company can say,
// and a receipt that is passed on gives nobody away.
#pragma once

#include <boost/json.hpp>
#include <map>
#include <string>
#include <vector>

#include "api/customer_tables.hpp"
#include "vault/policy.hpp"

namespace callward::api {

struct ReceiptSource {
  CustomerId customer;
  std::int64_t made_at = 0;  // UTC ms
  bool held = false;
  bool whole = true;  // false: the log says more of the customer than stands here
  std::vector<keys::FieldState> fields;  // what the keeper still has
  std::vector<LogRow> log;               // about the customer, oldest first
  struct Asked {
    disclose::Request request;
    std::vector<LogRow> log;
  };
  std::vector<Asked> requests;
  std::map<std::string, std::vector<LogRow>> calls;  // about each that `recorded_calls` names
};

// The calls of which the log says that they are this customer's, as hexadecimal ids.
std::vector<std::string> recorded_calls(const ReceiptSource& source);
boost::json::object receipt(const ReceiptSource& source, const vault::Policy& policy);
// The same as plain text, one fact a line; no line begins with what a spreadsheet would run.
std::string receipt_text(const boost::json::object& receipt);

}  // namespace callward::api
