// Sections of the configuration that are read in files of their own.
#pragma once

#include "app/config.hpp"
#include "settings/section.hpp"

namespace callward::app {

// [listener]; and from it, once its paths are absolute, the arguments of the worker.
Status read_listener(const toml::table& root, ListenerConfig& listener);
void finish_listener(ListenerConfig& listener);

}  // namespace callward::app
