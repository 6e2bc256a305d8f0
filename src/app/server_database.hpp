// The server's database with the tables of all its parts.
#pragma once

#include <memory>

#include "app/config.hpp"
#include "base/vfs.hpp"
#include "db/database.hpp"

namespace callward::app {

Result<std::unique_ptr<db::Database>> open_server_database(Vfs& vfs, const Config& config);

}  // namespace callward::app
