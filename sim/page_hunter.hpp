// What whoever has every page that was ever written, and every key that lives, could still read.
#pragma once

#include <functional>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace callward::sim {

// Where pages begin in a pages file of any age: everything on a page's boundary that looks like one.
std::vector<ByteView> pages_in(ByteView pages_file);

// Goes from each epoch key through every page that opens, whatever superblock ever led there, and
// gives each row that can be read; old states of one row are several.
void hunt_rows(const std::vector<ByteView>& pages, const std::vector<Key32>& epoch_keys,
               const std::function<void(ByteView row)>& on_row);

}  // namespace callward::sim
