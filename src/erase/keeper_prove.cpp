// The keeper's word about a call, for a proof of erasure.
#include <boost/json.hpp>

#include "crypto/sha256.hpp"
#include "erase/keeper.hpp"
#include "erase/proof.hpp"

namespace callward::erase {
namespace {

KeyStatement::Mirror said_of(const keys::MirrorStatus& mirror) {
  return {.state = mirror.retired ? "retired"
                   : mirror.good  ? "good"
                                  : "left_out",
          .confirmed = mirror.confirmed,
          .epoch = mirror.epoch,
          .assurance = mirror.assurance};
}

}  // namespace

void Keeper::prove(const keys::Prove& message, Reply<keys::Proved> reply) {
  if (log_->failed())
    return reply(fail(Errc::kUnavailable, "the audit log cannot be written: nothing is proved"));
  KeyStatement statement{.call = message.call, .at = clock_.utc_ms(), .epoch = store_.epoch()};
  for (const auto& mirror : store_.mirrors()) statement.mirrors.push_back(said_of(mirror));
  if (rows_.count(message.call) != 0) {
    auto found = find(message.call);
    if (!found) return reply(tl::unexpected<Error>(found.error()));
    const auto& call = **found;
    statement.row = true;
    statement.live = !call.ended;
    for (std::uint8_t stream = 0; stream < keys::kCallDataStream; ++stream)
      if (call.has_stream(stream))
        statement.streams.push_back(
            {stream, call.ended ? call.ends[stream] : 0, call.heard[stream]});
    for (const auto& node : call.cover.nodes()) statement.nodes.push_back({node.level, node.index});
    for (const auto& block : call.blocked) {
      auto& list = block.state == BlockState::kErased ? statement.erased
                   : block.state == BlockState::kHeld ? statement.held
                                                      : statement.ordered;
      list.push_back(block.range);
    }
    for (auto* list : {&statement.erased, &statement.ordered, &statement.held})
      *list = join(std::move(*list));
  }
  auto text = encode_statement(statement);
  if (text.size() > kStatementBytesMax)
    return reply(fail(Errc::kTooLarge, "the call has too many erased ranges for one statement"));
  const auto index = log_->stage({"key_statement",
                                  message.actor,
                                  message.call.hex(),
                                  statement.at,
                                  {{"hash", to_hex(crypto::sha256(as_bytes(text)))}}});
  if (!index) return reply(tl::unexpected<Error>(index.error()));
  after_log([reply, text = std::move(text), index = *index](Status logged) {
    if (!logged) return reply(tl::unexpected<Error>(logged.error()));
    reply(keys::Proved{text, index});
  });
}

}  // namespace callward::erase
