// What is said of a call besides its sound: sealed under stream 15 of it; told to the tenant, where
// its recorder says it and while it runs.
#include <boost/json.hpp>

#include "erase/keeper.hpp"

namespace callward::erase {

Result<Bytes> Keeper::seal_call_data(CallKeys& call, ByteView plain) {
  if (call.next_call_data > keys::kIndexMax)
    return fail(Errc::kFull, "the call has as much data of its own as it may have");
  const auto index = call.next_call_data++;
  call.dirty = true;
  const keys::RecordHeader header{.kind = keys::RecordKind::kCallData,
                                  .stream = keys::kCallDataStream,
                                  .first = index,
                                  .last = index};
  if (plain.size() > keys::kRecordPayloadBytesMax)
    return fail(Errc::kTooLarge, "call data is over its limit");
  return cipher_.seal(entropy_, header, call.id, plain,
                      TRY(call.cover.leaf(keys::leaf_of(keys::kCallDataStream, index))));
}

void Keeper::tell_tenant(const CallKeys& call, ByteView call_data) {
  if (tenant_ != nullptr && call.source == keys::CallSource::kSiprec && !call.ended)
    tenant_->call_says(call.id, call_data);
}

void Keeper::call_data_put(const keys::CallDataPut& message, Reply<keys::SealedRecord> reply) {
  if (const auto call = find(message.call)) tell_tenant(**call, message.call_data);
  note_put(message, std::move(reply));
}

void Keeper::note_put(const keys::CallDataPut& message, Reply<keys::SealedRecord> reply) {
  auto call = find(message.call);
  if (!call) return reply(tl::unexpected<Error>(call.error()));
  auto record = seal_call_data(**call, message.call_data);
  if (!record) return reply(tl::unexpected<Error>(record.error()));
  reply(keys::SealedRecord{std::move(*record)});
}

void Keeper::call_at(const keys::CallAt& message, Reply<keys::Ack> reply) {
  if (message.telephone.size() > keys::kCallTelephoneBytesMax)
    return reply(fail(Errc::kMalformed, "no telephone has so long a name"));
  const auto found = find(message.call);
  if (!found) return reply(tl::unexpected<Error>(found.error()));
  const auto& call = **found;
  if (call.ended || call.source == keys::CallSource::kImport)
    return reply(fail(Errc::kState, "only a call that runs is at a telephone"));
  if (tenant_ == nullptr) return reply(keys::Ack{});
  tenant_->call_is_at(call.id, message.telephone, call.start_logged, [reply](const Status& done) {
    if (!done) return reply(tl::unexpected<Error>(done.error()));
    reply(keys::Ack{});
  });
}

}  // namespace callward::erase
