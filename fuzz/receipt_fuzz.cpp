// Any bytes as what comes from outside about a log: a receipt, an exported day, a witness's answer
// under a note, a verifier key; and as an entry before the rules. What is read is written back the
// same.
#include "audit/receipt.hpp"
#include "audit/rules.hpp"
#include "audit/witness.hpp"
#include "base/check.hpp"

namespace {

using namespace callward;

void read_receipt(std::string_view text) {
  const auto receipt = audit::parse_receipt(text);
  if (!receipt) return;
  CHECK(audit::encode_receipt(*receipt) == text);
  const audit::NamedKey key{"a", {}};
  (void)audit::check_receipt(*receipt, std::nullopt, key, {});
}

void read_continuation(std::string_view text) {
  if (const auto day = audit::parse_continuation(text))
    CHECK(audit::encode_continuation(*day) == text);
}

void read_note(std::string_view text) {
  const std::string note(text);
  const audit::WitnessKey key{"a", {}};
  (void)audit::find_cosignature(note, key);
  (void)audit::check_cosignatures(note, {{key}, 1});
  if (const auto named = audit::parse_witness_key(note))
    CHECK(audit::parse_witness_key(audit::witness_verifier_key(*named))->key == named->key);
}

void read_entries(std::string_view text) {
  audit::RuleChecker checker;
  for (std::uint64_t index = 0; !text.empty(); ++index) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    checker.add(index, line);
  }
  const auto report = checker.finish();
  CHECK(report.findings.size() <= audit::kRuleFindingsMax);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto text = as_text(ByteView(data, size)).substr(1);
  switch (data[0] % 4) {
    case 0:
      read_receipt(text);
      break;
    case 1:
      read_continuation(text);
      break;
    case 2:
      read_note(text);
      break;
    default:
      read_entries(text);
  }
  return 0;
}
