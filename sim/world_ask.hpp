// A question to the keeper: its answer, if one came before the machine went off.
#pragma once

#include "sim/world.hpp"

namespace callward::sim {

template <class T, class Verb>
std::optional<Result<T>> World::ask(const Verb& verb) {
  if (!keeper_) return std::nullopt;
  const auto asked = std::make_shared<Asked<T>>();
  verb([this, asked](Result<T> outcome) {
    if (asked->came || keeper_vfs_.down()) return;  // an answer of a dead machine reaches nobody
    asked->came = true;
    asked->value = std::move(outcome);
  });
  keeper_->end_round();
  if (!asked->came) return std::nullopt;
  return std::move(asked->value);
}

template <class T, class M>
std::optional<Result<T>> World::ask(void (erase::Keeper::*verb)(M, erase::Reply<T>),
                                    std::remove_cvref_t<M> message) {
  return ask<T>(
      [&](erase::Reply<T> reply) { (keeper_.get()->*verb)(std::move(message), std::move(reply)); });
}

}  // namespace callward::sim
