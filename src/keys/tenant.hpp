// Who else keeps rows in the keeper's store and entries in its log, beside the calls: the vault.
// The keeper gives each its turns, so that one commit of the log, one of the store and one change
// of epochs serve both, in the order that erase/keeper.hpp has.
#pragma once

#include <array>
#include <boost/json.hpp>
#include <functional>
#include <string_view>
#include <vector>

#include "audit/entry.hpp"
#include "base/id.hpp"
#include "keys/call_back.hpp"
#include "keys/keeper_protocol.hpp"

namespace callward::keys {

// What the keeper lends.
class Ledger {
 public:
  virtual ~Ledger() = default;
  // Stages an entry for this round; the index that it will have. Its time is the keeper's.
  virtual Result<std::uint64_t> stage(audit::Entry entry) = 0;
  // Runs as soon as the entries staged so far are durable, or refused, before any row is written
  // that counts them as known: what is known changes here.
  virtual void with_log(std::function<void(const Status&)> effect) = 0;
  // Runs when the entries staged so far are durable, and the rows too that write_rows() wants; or
  // with the reason why not.
  virtual void after_log(std::function<void(Status)> act) = 0;
  // What is dirty must be on the disk before this round's acts run.
  virtual void write_rows() = 0;
  // Durable entries from `first` on, in order.
  virtual Status replay(
      std::uint64_t first,
      const std::function<Status(std::uint64_t index, const audit::Entry&)>& on_entry) = 0;
  [[nodiscard]] virtual std::uint64_t log_size() const = 0;   // durable
  [[nodiscard]] virtual std::uint64_t rows_upto() const = 0;  // entries that the rows know of
  [[nodiscard]] virtual bool log_failed() const = 0;
  // Whose call-back this call is, in its row from the next round on. The first word counts.
  virtual void note_call_back(const CallId& call, const CallBackOf& of) = 0;
  // Whether it is one that we rang: as its recorder says, or by whose call-back it was noted to be.
  [[nodiscard]] virtual bool is_call_back(const CallId& call) = 0;
  // How much of a call's stream can still be heard, or will be: neither ordered away nor held, nor
  // erased, nor lost. 0: no such call.
  [[nodiscard]] virtual std::int64_t kept_ms(const CallId& call, std::uint8_t stream) = 0;
};

// What somebody wants keys of.
struct OpenAsked {
  OpenPurpose purpose{};
  bool about = false;    // what is known about the call: numbers, notes
  bool sound = false;    // records of sound
  bool derived = false;  // what was made of it: words, findings, peaks
};

class Tenant {
 public:
  virtual ~Tenant() = default;
  // At a start and at a planned restart's end: the store is open, the log agrees with it.
  virtual Status begin() = 0;
  // The log had failed, and was opened anew. What it has from `known_upto` on was refused, and is
  // there all the same: it counts. Before any row is written that counts it as known.
  virtual Status log_is_back(std::uint64_t known_upto) = 0;
  // Every row that changed, to the store: with each commit.
  virtual Status stage_rows() = 0;
  virtual void rows_written() = 0;  // they are on the disk

  // An erasure, by the keeper's steps. Keys of a tenant always stand on a disk.
  [[nodiscard]] virtual bool erasure_due() const = 0;
  virtual Status intend() = 0;    // stages what is to go, once
  virtual Status puncture() = 0;  // it is durable: out of the rows
  // The keys are gone, and `erased` with these orders is to follow; no longer due.
  virtual std::vector<OrderId> destroyed() = 0;
  // `erased` is durable. `confirmed`: from every mirror; else it is due again when they are back.
  virtual void erased(const std::vector<OrderId>& orders, bool confirmed) = 0;
  virtual void erase_again(const std::vector<OrderId>& orders) = 0;  // that could not be logged
  virtual void mirrors_are_back() = 0;

  virtual void tick() = 0;

  // What a call says of itself (capture/call_data.hpp), as its recorder gives it, while it runs;
  // and its end. Nothing of it need outlive the keeper. A call-back's is not told: who rings learns
  // no more of the customer than the request says.
  virtual void call_says(const CallId& call, ByteView call_data) = 0;
  virtual void call_is_over(const CallId& call) = 0;
  // At whose telephone it is now, of a call that runs. `done` when that is in the log, which has
  // its beginning (`begun`) first. kUnavailable: not yet; it is remembered all the same.
  virtual void call_is_at(const CallId& call, std::string_view telephone, bool begun,
                          std::function<void(Status)> done) = 0;
  // The log had failed, and the beginnings of all calls are on their way there: what was said
  // meanwhile, and what somebody was private by, follows them.
  virtual void log_calls_at() = 0;
  // Whether this person may begin to be private in a call, as whose telephone it is at: at once, or
  // when that is known, within a bound. While the log cannot be written its recorder's word counts.
  // kDenied: it is at another's. kUnavailable: nobody has said it yet.
  virtual void when_at(const CallId& call, std::string_view actor,
                       std::function<void(const Status&)> then) = 0;
  // Somebody waits for that, or the log has yet to hear by whose telephone somebody was private.
  [[nodiscard]] virtual bool has_waiting() const = 0;

  // By what right this person's browser may have keys of a call's records: what the entry in the
  // log says of it besides. kDenied: by none.
  virtual Result<boost::json::object> may_open(const CallAsked& call, std::string_view actor,
                                               const std::array<std::uint8_t, 32>& reader_key,
                                               const OpenAsked& asked) = 0;
  // Keys of this sound of it were given to them just now, by that right.
  virtual void was_opened(const CallAsked& call, std::string_view actor,
                          const std::vector<SegmentRange>& sound) = 0;
  // Whether this person, or the operator, may have something of a call erased. kState: not yet.
  // kDenied: never.
  virtual Status may_erase(const CallAsked& call, std::string_view actor) = 0;
};

}  // namespace callward::keys
